"""The configuration: complete presets, and errors that name the key."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from judgeloop.schema.config import Config, config_from_json, load_config, parse_config
from judgeloop.schema.errors import ConfigError

PRESETS = sorted((Path(__file__).parents[2] / "pipelines" / "configs").glob("*.yaml"))
MICRO = PRESETS[0].with_name("micro.yaml")


def tree() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(MICRO.read_text())
    return loaded


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_a_preset_is_complete_and_survives_the_trip_through_a_parameter(path: Path) -> None:
    config = load_config(path)
    assert config_from_json(config.to_json()) == config
    given = yaml.safe_load(path.read_text())
    for name, section in msgspec.to_builtins(config).items():
        if isinstance(section, dict):
            assert set(given[name]) == set(section), f"{path.stem}: keys of {name}"


def test_an_unknown_key_names_its_path_and_the_nearest_key() -> None:
    wrong = tree()
    wrong["judging"]["sampling"]["temprature"] = 1.0
    with pytest.raises(
        ConfigError, match=r"judging\.sampling\.temprature.*judging\.sampling\.temp"
    ):
        parse_config(wrong, "x.yaml")


def test_a_wrong_type_names_its_path() -> None:
    wrong = tree()
    wrong["loop"]["iterations"] = "four"
    with pytest.raises(ConfigError, match=r"`int`, got `str` - at `loop\.iterations`"):
        parse_config(wrong, "x.yaml")


def test_a_missing_key_is_named() -> None:
    wrong = tree()
    del wrong["loop"]["seed"]
    with pytest.raises(ConfigError, match="`seed`"):
        parse_config(wrong, "x.yaml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("loop.iterations=0", "loop.iterations"),
        ("loop.iterations=.nan", "loop.iterations"),
        ("judging.sampling.temperature=-1", "temperature"),
        ("judging.sampling.temperature=.nan", "temperature"),
        ("judging.sampling.top_p=0", "top_p"),
        ("synthesis.vote_threshold=17", "vote_threshold"),
        ("synthesis.errors=[]", "errors"),
        ("training.epochs=3", "exactly one of epochs and max_steps"),
        ("training.micro_batch_size=5", "multiple of micro_batch_size"),
        ("training.kind=lora", "scripted"),
        ("model.base=owner/name", "`scripted:` goes with the engine `scripted`"),
        ("engine.endpoint={url: http://h/v1}", "`model` - at `engine.endpoint`"),
        ("engine.endpoint={url: 'http://u:key@h/v1', model: b}", "engine.endpoint.url"),
        ("engine.endpoint={url: h, model: b}", "engine.endpoint.url"),
        ("engine.endpoint={url: http://h, model: b, key: k}", "unknown key `engine.endpoint.key`"),
        ("engine.endpoint={url: http://h, model: b, retries: -1}", "engine.endpoint.retries"),
        ("validation.share=1.5", "validation.share"),
        ("filtering.keep=some", "filtering.keep"),
        ("looop.iterations=3", "did you mean `loop`"),
        ("loop", "section.key=value"),
        ("prompts.x=1", "is a value, not a section"),
        ("loop.iterations=[", "not YAML"),
    ],
)
def test_a_bad_change_is_refused_with_its_key(change: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(MICRO, [change])
    assert message in str(caught.value)


def test_changes_are_read_as_yaml_and_later_ones_win() -> None:
    config = load_config(MICRO, ["loop.iterations=3", "data.count=7", "loop.iterations=5"])
    assert (config.loop.iterations, config.data.count) == (5, 7)


@pytest.mark.parametrize("text", ["", "- a\n- b", "a: [", "just text"])
def test_a_file_that_is_no_mapping_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"broken\.yaml"):
        load_config(path)


def test_a_missing_file_and_a_file_in_another_encoding_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "none.yaml")
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"store: \xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(path)


def test_a_parameter_that_is_no_configuration_is_refused() -> None:
    with pytest.raises(ConfigError, match="configuration parameter"):
        config_from_json("{}")
    assert isinstance(load_config(MICRO), Config)


def test_the_engine_openai_needs_an_endpoint() -> None:
    changes = ["engine.kind=openai", "training.kind=lora", "model.base=owner/name"]
    with pytest.raises(ConfigError, match=r"engine\.endpoint: give at least its url and its model"):
        load_config(MICRO, changes)
    endpoint = "engine.endpoint={url: https://h:8000/v1, model: base}"
    assert load_config(MICRO, [*changes, endpoint]).training.kind == "lora"
