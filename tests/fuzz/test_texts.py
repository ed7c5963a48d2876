"""Settings, changes of settings and models' texts: whatever they hold, in bounded time."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from judgeloop.method.judging.verdict import parse_verdict
from judgeloop.method.synthesis.alter import pair_by_alteration
from judgeloop.method.synthesis.answers import normalize
from judgeloop.method.synthesis.errors import ERROR_KINDS
from judgeloop.schema.changes import apply_change, split_changes
from judgeloop.schema.config import config_from_json, load_config, parse_config
from judgeloop.schema.printable import encodable
from judgeloop.schema.records import Question
from judgeloop.schema.requests import Response, Sample
from judgeloop.schema.yaml_tree import read_yaml
from tests.conftest import REPOSITORY
from tests.fuzz.feed import feed

MICRO = REPOSITORY / "pipelines" / "configs" / "micro.yaml"
LINES = [line.partition(" #")[0].rstrip() for line in MICRO.read_text().splitlines()]
TREE: dict[str, Any] = read_yaml("\n".join(LINES), "micro")
SETTINGS = load_config(MICRO).synthesis
LONGEST = 20_000
"""Characters of a text."""

PATHS = [
    "loop.iterations", "data.count", "data.max_pixels", "engine.vllm.memory_share", "model.base",
    "evaluation.data", "gate.group_losses", "synthesis.errors", "training.learning_rate", "store",
    "synthesis.answer", "loop", "", ".", "loop..iterations", "store.x", "a" * 300,
]  # fmt: skip
VALUES = [
    "2026-02-30", "1" * 5000, "-" + "9" * 400, "!!int foo", "!!float x", "!!bool x", "!!binary x",
    "!!timestamp x", "!!set {a}", "!!omap [a]", "!!pairs [1]", "!!python/object:os.system x",
    "{[1]: 2}", "? [a]", "? {a: 1}", "{a: 1, a: 2}", '"\\ud83d"', '"\\ud83d\\ude00"', "'\ud83d'",
    "\udcff", '"\\x00"', "\x00", "\x1b[2J", "&a [*a]", "*a", "{<<: *a}", "&a {<<: [*a, *a]}",
    "[&a [x, x], &b [*a, *a], &c [*b, *b], *c]", "[" * 3000, "{a: " * 1000, "- " * 2000, "|", ">",
    "%YAML 9.9", "@", "`", "\t", "a=b c=d", "1:30", "010", "0o8", "0x", "1e999", "-1e999", ".nan",
    ".inf", "1_000", "_", "null", "~", "true", "[]", "{}", '""', "'", '"', "a: b: c",
    "--- a\n--- b", "[" * 40,
    "scripted:skill=nan", "scripted:skill=1e400,gain=-1", "x=1 " * 1000, "[a= " * 1000,
]  # fmt: skip
WORDS = [
    "a ", "b ", "red ", "two ", "1 ", "½ ", "$1 ", "- a\n", "1. ", "**", "`", "```\n", "<b>", "(",
    ")", '"', "'", "\\frac{1}{2}", "\\boxed{", "{", "}", "漢", "ด", "e.g. ", "Verdict: A\n",
    "Verdict:",
    "Answer A is better than Answer B. ", "[[A]]", "<think>", "</think>", "I changed ", "not ", "*",
    "|A|", "{\"verdict\": \"A\"}", "\x1b[2J", "\ud83d", "\x00", "\u202e", "a'", "... ", "\n", "> ",
]  # fmt: skip
COUNTS = st.sampled_from([1, 1, 1, 2, 3, 10, 100, 10_000])
TEXTS = st.lists(st.tuples(st.sampled_from(WORDS), COUNTS), min_size=1, max_size=8).map(
    lambda parts: "".join(word * count for word, count in parts)[:LONGEST]
)
QUESTION = Question(id="q", images=(), text="Which?", kind="open")


@st.composite
def settings_text(draw: st.DrawFn) -> str:
    """The micro configuration with up to three lines changed, doubled, moved or left out."""
    lines = list(LINES)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(lines) - 1))
        kind = draw(st.sampled_from(["value", "double", "leave out", "indent", "cut", "text"]))
        if kind == "value":
            lines[place] = f"{lines[place].partition(':')[0]}: {draw(st.sampled_from(VALUES))}"
        elif kind == "double":
            lines.insert(place, lines[draw(st.integers(0, len(lines) - 1))])
        elif kind == "leave out":
            del lines[place]
        elif kind == "indent":
            lines[place] = " " * draw(st.integers(1, 4)) + lines[place].lstrip()
        elif kind == "cut":
            lines[place] = lines[place][: draw(st.integers(0, 20))]
        else:
            lines[place] = draw(st.text(max_size=20))
    return "\n".join(lines)


SETS = st.lists(
    st.tuples(
        st.sampled_from([*PATHS, *PATHS[:6] * 3]),
        st.sampled_from(["=", "=", "=", "", " = "]),
        st.one_of(st.sampled_from(VALUES), st.text(max_size=30), st.integers().map(str)),
    ).map("".join),
    min_size=1,
    max_size=3,
)


def whole(config: Any) -> None:
    """What a configuration must survive that was taken."""
    assert config_from_json(config.to_json()) == config


def settings(text: str, folder: Path) -> None:
    path = folder / "config.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    whole(load_config(path))


def changes(texts: list[str], _: Path) -> None:
    tree = copy.deepcopy(TREE)
    for change in split_changes(texts):
        apply_change(tree, change)
    whole(parse_config(tree, "it"))


def alteration(texts: tuple[str, str], _: Path) -> None:
    original, copied = map(encodable, texts)  # as engines deliver them
    sample = Sample(text=copied, finish_reason="stop", tokens=1)
    response = Response(id="q", samples=(sample,))
    error = list(ERROR_KINDS)[len(copied) % len(ERROR_KINDS)]
    pair_by_alteration(QUESTION, original, error, response, SETTINGS, ERROR_KINDS)


def verdict(text: str, _: Path) -> None:
    parse_verdict(text)
    normalize(text, QUESTION)


@st.composite
def two_texts(draw: st.DrawFn) -> tuple[str, str]:
    """A text and a copy in which some characters are others."""
    original = draw(TEXTS)
    place = draw(st.integers(0, len(original)))
    return original, original[:place] + draw(TEXTS) + original[place + draw(st.integers(0, 50)) :]


TEXT_READERS: dict[str, tuple[Callable[[Any, Path], None], st.SearchStrategy[Any]]] = {
    "settings": (settings, settings_text()),
    "--set": (changes, SETS),
    "alteration": (alteration, two_texts()),
    "verdict": (verdict, TEXTS),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TEXT_READERS)
def test_whatever_a_text_holds_it_ends_in_an_error_of_ours_in_time(
    name: str, tmp_path: Path
) -> None:
    read, cases = TEXT_READERS[name]
    feed(name, cases, lambda case: read(case, tmp_path))
