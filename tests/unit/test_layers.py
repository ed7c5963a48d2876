"""A configuration of few lines: what it extends, what it names, and where each value comes from."""

from pathlib import Path

import pytest

from judgeloop.cli.main import main
from judgeloop.schema.config import load_config, resolve_config
from judgeloop.schema.errors import ConfigError

SIX_LINES = """extends: tiny
data: {questions: mine/questions.jsonl, count: null}
evaluation: {gold: mine/gold.jsonl, benchmarks: [more.jsonl, x], data: {x: vl}}
registry:
  model_name: my-judge
  experiment: my-judge
"""


def written(folder: Path, text: str, name: str = "my.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_six_lines_are_a_whole_configuration(tmp_path: Path) -> None:
    made, preset = load_config(written(tmp_path, SIX_LINES)), load_config(Path("tiny"))
    assert made.data.questions == f"{tmp_path}/mine/questions.jsonl"
    assert made.evaluation.gold == f"{tmp_path}/mine/gold.jsonl"
    assert made.evaluation.benchmarks == (f"{tmp_path}/more.jsonl", "x")
    assert made.evaluation.data == {"x": f"{tmp_path}/vl"}
    assert made.registry.model_name == "my-judge"
    assert (made.loop, made.training) == (preset.loop, preset.training)
    assert made.data.per_iteration == preset.data.per_iteration


def test_paths_are_relative_to_the_file_that_names_them_and_stay_so_below_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, "extends: tiny\ndata: {questions: q.jsonl}\n", "base/base.yaml")
    (tmp_path / "base/model").mkdir()
    more = "extends: ../base/base.yaml\nprompts: ./words\nmodel: {base: model}\n"
    written(tmp_path, more, "mine/my.yaml")
    monkeypatch.chdir(tmp_path)
    made = load_config(Path("mine/my.yaml"), ["evaluation.gold=gold.jsonl"])
    assert made.data.questions == "base/q.jsonl"
    assert made.prompts == "mine/words"
    assert made.model.base == "model"  # no such folder beside mine/my.yaml: it may be a hub's
    assert made.evaluation.gold == "gold.jsonl"


@pytest.mark.parametrize("value", ["s3://b/q.jsonl", "/a/q.jsonl", "tiny-world", "~/q.jsonl"])
def test_addresses_names_and_absolute_paths_stay(value: str, tmp_path: Path) -> None:
    path = written(tmp_path, f"extends: tiny\ndata: {{questions: '{value}'}}\n")
    assert load_config(path).data.questions == value


def test_a_name_that_is_too_long_for_a_folder_stays_a_name(tmp_path: Path) -> None:
    name = "x" * 300
    path = written(tmp_path, f"extends: tiny\nmodel: {{base: {name}}}\n")
    assert load_config(path).model.base == name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("extends: tinny\n", "tinny: there is no such file or preset; presets: "),
        ("extends: my.yaml\n", "more than 10 files"),
        (f"extends: {'x' * 300}\n", "xx: there is no such file or preset; presets: "),
        ("extends: [tiny]\n", "`extends` names one preset or file"),
        ("extends: none.yaml\n", "none.yaml: cannot be read (No such file or directory). Give"),
        ("extends: tiny\nloop: {iteration: 2}\n", "did you mean `loop.iterations`?"),
        (
            "extends: tiny\nengine: {kind: transformer}\n",
            "known: transformers, vllm, openai",
        ),
    ],
)
def test_what_is_wrong_is_said_of_the_file_that_says_it(
    text: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as raised:
        load_config(written(tmp_path, text))
    assert said in str(raised.value)


def test_each_value_has_the_place_that_it_comes_from(tmp_path: Path) -> None:
    path = written(tmp_path, SIX_LINES)
    made, origins = resolve_config(path, ["loop.iterations=2 loop.seed=7"])
    assert (made.loop.iterations, made.loop.seed) == (2, 7)
    assert origins["loop.iterations"] == origins["loop.seed"] == "--set"
    assert origins["loop.partitions"] == "preset tiny"
    assert origins["data.questions"] == str(path)


def test_what_is_shown_names_the_places_and_is_the_same_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, "extends: micro\nloop: {iterations: 3}\nengine: {endpoint: null}\n")
    assert main(["config", "show", str(path), "--set", "data.count=50"]) == 0
    shown = capsys.readouterr().out
    lines = {line.split(":")[0].strip(): line for line in shown.splitlines()}
    assert lines["iterations"].endswith(f"# {path}")
    assert lines["count"].endswith("# preset micro")  # the last one: of the evaluation
    assert "  count: 50" in shown
    assert "# --set" in shown
    whole = written(tmp_path, shown, "whole.yaml")
    assert load_config(whole) == load_config(path, ["data.count=50"])
