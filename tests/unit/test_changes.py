"""Changes by `--set`: what they mean, how they are told apart, and what wrong ones are told."""

import json
import math
import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from judgeloop.cli.main import main
from judgeloop.cli.options import LOCAL_PATH
from judgeloop.prompt_sets.files import folder_files
from judgeloop.schema.changes import apply_change, split_changes
from judgeloop.schema.config import load_config
from judgeloop.schema.errors import ConfigError
from judgeloop.schema.yaml_tree import read_yaml
from judgeloop.store import is_path, open_store
from pipelines.run import read_config
from tests.conftest import REPOSITORY

MICRO = REPOSITORY / "pipelines/configs/micro.yaml"

VALUES = [
    ("5e-5", 5e-5),
    ("1E5", 1e5),
    ("-2e+3", -2000.0),
    (".5", 0.5),
    (".5e1", 5.0),
    ("1.", 1.0),
    ("1.0e-4", 1e-4),
    (".inf", math.inf),
    ("-.inf", -math.inf),
    ("7", 7),
    ("+7", 7),
    ("-7", -7),
    ("1_000", 1000),
    ("0x1F", 31),
    ("010", "010"),
    ("1:30", "1:30"),
    ("2026-02-30", "2026-02-30"),
    ("2026-02-28", "2026-02-28"),
    ("2026-02-28T10:00:00Z", "2026-02-28T10:00:00Z"),
    ("e5", "e5"),
    ("1e", "1e"),
    ("1.2.3", "1.2.3"),
    ("-", None),
    ("~", None),
    ("~/x", "~/x"),
    ("null", None),
    ("", None),
    ("true", True),
    ("'5e-5'", "5e-5"),
    ("[a b, 'c, d', 1e-3]", ["a b", "c, d", 1e-3]),
    ("{a: 1e-3}", {"a": 1e-3}),
]


@pytest.mark.parametrize(("text", "value"), VALUES, ids=[text for text, _ in VALUES])
def test_a_value_is_read_as_yaml_1_2_has_it(text: str, value: Any) -> None:
    if text == "-":
        value = [None]
    found = read_yaml(text, "the value")
    assert found == value
    assert isinstance(found, type(value))


BAD_VALUES = [
    "!!int foo", "!!float x", "!!timestamp 2026-02-30", "!!bool maybe", "!!binary é",
    "!!python/object:os.system x", "{[1]: 2}", "? [a]", "? {a: b}", "{a: 1, a: 2}", "[1", "{a",
    "\"open", "9" * 5000, "0x" + "g", "*unknown", "\t- a", "a: b: c", "[" * 3000, "@x", "`x`",
    "%TAG", "\"\\ud800\"", "<<: 1",
]  # fmt: skip


@pytest.mark.parametrize("text", BAD_VALUES, ids=[text[:20] for text in BAD_VALUES])
def test_a_value_that_cannot_be_read_is_an_error_of_its_change(text: str) -> None:
    try:
        apply_change({}, f"loop.seed={text}")
    except ConfigError as error:
        assert str(error).startswith("--set loop.seed=")  # noqa: PT017
        assert len(str(error)) < 1200  # noqa: PT017
    else:
        assert text == "0xg"  # a text
        with pytest.raises(ConfigError, match=r"--set loop\.seed=0xg: Expected `int`, got `str`"):
            load_config(MICRO, [f"loop.seed={text}"])


BOMBS = {
    "aliases": "[&a [x, x], &b [*a, *a], &c [*b, *b], *c]",
    "merges": "{a: &a {<<: {x: 1}}, b: {<<: [*a, *a]}}",
    "depth": "[" * 100_000,
    "length": "x" * 300_000,
    "splits": "[" + "a= " * 5_000,
    "changes": "a=1 " * 5_000,
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_a_value_that_would_take_long_to_read_is_refused_at_once(text: str) -> None:
    began = time.process_time()
    with pytest.raises(ConfigError):
        load_config(MICRO, [f"loop.seed={text}"])
    assert time.process_time() - began < 3


@given(st.text(max_size=30) | st.binary(max_size=30).map(lambda data: data.decode("latin-1")))
def test_whatever_is_given_is_read_or_refused(text: str) -> None:
    try:
        read_yaml(text, "the value")
    except yaml.YAMLError:
        return


@given(
    st.sampled_from(["loop.seed", "loop", "data.count", "synthesis.errors", "engine.endpoint"]),
    st.lists(
        st.sampled_from([*"[]{}:,-?!&*#|>'\"% \n09aexT.~", "!!int", "&a", "*a", "1e9", "- "]),
        max_size=12,
    ).map("".join),
)
def test_a_configuration_with_any_change_is_made_or_refused(path: str, text: str) -> None:
    try:
        load_config(MICRO, [f"{path}={text}"])
    except ConfigError:
        return


SPLIT = [
    ("loop.seed=1", ["loop.seed=1"]),
    ("loop.seed=1 data.count=5", ["loop.seed=1", "data.count=5"]),
    ("  loop.seed=1\n\tdata.count=5 ", ["loop.seed=1", "data.count=5"]),
    ("model.base=scripted:skill=0,bias=1 loop.seed=2",
     ["model.base=scripted:skill=0,bias=1", "loop.seed=2"]),
    ('synthesis.errors=["first --set colour"]', ['synthesis.errors=["first --set colour"]']),
    ("synthesis.errors=[a b, c] loop.seed=1", ["synthesis.errors=[a b, c]", "loop.seed=1"]),
    ('synthesis.errors=["a loop.seed=3", b]', ['synthesis.errors=["a loop.seed=3", b]']),
    ("judging.sampling={temperature: 0.5, max_tokens: 9} loop.seed=1",
     ["judging.sampling={temperature: 0.5, max_tokens: 9}", "loop.seed=1"]),
    ("registry.experiment='my run' loop.seed=1", ["registry.experiment='my run'", "loop.seed=1"]),
    ("registry.experiment=my run loop.seed=1", ["registry.experiment=my run", "loop.seed=1"]),
    ("data.questions=/a folder/q.jsonl", ["data.questions=/a folder/q.jsonl"]),
    ("store=~/x loop.seed=1", ["store=~/x", "loop.seed=1"]),
    ("model.start= loop.seed=1", ["model.start=", "loop.seed=1"]),
    ("loop.seed", ["loop.seed"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "changes"), SPLIT, ids=[text for text, _ in SPLIT])
def test_several_changes_in_one_text_are_told_apart(text: str, changes: list[str]) -> None:
    assert split_changes([text]) == changes


BLAMED = [
    (["loop.seed=x"], "--set loop.seed=x: Expected `int`, got `str` - at `loop.seed`"),
    (["loop.seed=1 loop.patience=0"], "--set loop.patience=0: Expected `int` >= 1"),
    (["training.epochs=3"], "--set training.epochs=3: set exactly one of epochs and max_steps"),
    (["loop.sed=1"], "--set loop.sed=1: unknown key `loop.sed`; did you mean `loop.seed`?"),
    (["engine.kind=trtllm"], "known: transformers, vllm, openai, scripted"),
    (["filtering.keep=all"], "known: agreeing, unfiltered, shuffled"),
    (["training.dtype=float16"], "known: float32, bfloat16"),
    (["training.start=last"], "known: previous, best, base"),
    (["data.kinds={a: x}"], "known: caption, long_answer, multiple_choice"),
    (["data.columns={a: x}"], "known: id, images, text, kind, choices"),
    (["synthesis.errors=colour"], "--set synthesis.errors=colour: Expected `array`, got `str`"),
    (["evaluation.benchmarks=vl-rewardbench"], "a list has brackets, as in [a, b]"),
    (["model.base=scripted:"], """reads a mapping here: put text in quotes, as in "model.base='"""),
    (["registry.model_name=7"], "YAML reads a number here: put text in quotes"),
    (["model.base=a: b: c"], """put text in quotes, as in "model.base='scripted:'\""""),
]


@pytest.mark.parametrize(("changes", "words"), BLAMED, ids=[words for _, words in BLAMED])
def test_an_error_of_a_change_blames_the_change(changes: list[str], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(MICRO, changes)
    assert words in str(caught.value)
    assert str(caught.value).startswith("--set ")
    assert "micro.yaml" not in str(caught.value)


def test_an_error_of_the_file_blames_the_file_whatever_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(MICRO.read_text().replace("patience:", "patiense:"))
    with pytest.raises(ConfigError, match=r"^\S*mine\.yaml: unknown key `loop\.patiense`"):
        load_config(path, ["loop.seed=1"])


def test_numbers_with_an_exponent_are_numbers() -> None:
    config = load_config(MICRO, ["training.learning_rate=5e-5 training.weight_decay=1e-2"])
    assert config.training.learning_rate == 5e-5
    assert config.training.weight_decay == 0.01


def test_a_store_in_the_users_home_lies_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert read_config(MICRO, ["store=~/x"], tmp_path).store == str(tmp_path / "home/x")
    assert read_config(MICRO, ["store=x"], tmp_path).store == str(tmp_path / "x")
    assert read_config(MICRO, ["store=/x"], tmp_path).store == "/x"


ADDRESSES = {
    "ftp://host/x": "is an address",
    "s3:/bucket": "is an address",
    "gs://b/x": "is an address",
    "S3:/x": "is an address",
    "file:/x": "is an address",
    "http:x": "is an address",
    "s3:bucket": r"is an address.*\./s3:bucket is a folder",
    "hf:owner/name": "is an address",
    "models:judge": "is an address",
    "mlflow-artifacts:/1": "is an address",
    "C:\\x": "Windows path",
    "C:/x": "Windows path",
    "c:": "Windows path",
    "D:x": "Windows path",
    "runs\\mine": "Windows path",
    "\\\\host\\share": "Windows path",
    "user@host:x": "on another machine",
}
PATHS = ("./s3:bucket", "runs/a:b", "/runs/a:b", "a b", "x.y", "..", "-x", "a@b")


@pytest.mark.parametrize("store", ADDRESSES)
def test_a_store_s_address_is_never_taken_for_a_folder_below_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str
) -> None:
    change = f"store={json.dumps(store)}"
    config = read_config(MICRO, [change], tmp_path)
    assert config.store == store
    with pytest.raises(ConfigError, match="cannot be opened: use a folder's path"):
        open_store(config.store)
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--config", "micro", "--out", "out", "--set", change]) == 2
    assert not [path for path in tmp_path.rglob("*") if path.name != "out"]


@pytest.mark.parametrize(
    ("out", "words"),
    [
        *ADDRESSES.items(),
        ("file:///x/y", "such as /x/y"),
        ("file://x", "an address"),
        ("", "names nothing"),
        (" ", "names nothing"),
    ],
)
def test_what_is_no_path_makes_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    out: str, words: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--config", "micro", "--out", out]) == 2
    assert re.search(words, capsys.readouterr().err)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", PATHS)
def test_a_path_with_a_colon_further_on_is_a_path(path: str) -> None:
    assert LOCAL_PATH.convert(path, None, None) == Path(path)
    assert is_path(path)


def test_a_store_whose_file_address_names_a_machine_says_so() -> None:
    with pytest.raises(ConfigError, match=r"'x' stands where the machine does.*file:///absolute"):
        open_store("file://x")


@pytest.mark.parametrize("path", ["~nobody-of-this-name", "~nobody-of-this-name/x"])
def test_a_home_of_nobody_is_refused_wherever_a_path_is_given(tmp_path: Path, path: str) -> None:
    for use in (
        lambda: read_config(MICRO, [f"store={path}"], tmp_path),
        lambda: open_store(path),
        lambda: folder_files(path),
        lambda: LOCAL_PATH.convert(path, None, None),
    ):
        with pytest.raises(ConfigError, match="`~nobody-of-this-name` stands for is not known"):
            use()
