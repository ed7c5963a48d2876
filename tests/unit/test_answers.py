"""How the final answer of a closed question is counted. The texts are in `answer_cases.py` and
`number_cases.py`."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judgeloop.method.synthesis.answers import (
    MAX_ANSWER,
    MAX_FINAL,
    final_answer,
    normalize,
)
from judgeloop.method.synthesis.units import Measure, in_one_unit, unit_after
from judgeloop.schema.records import Kind, Question
from tests.unit.answer_cases import (
    CHOICES,
    FINAL,
    IN_TEXT,
    OPTIONS,
    OTHER_OPTIONS,
    PHRASES,
    YES_NO,
)
from tests.unit.number_cases import NUMBERS

WITH_OPTIONS = (
    "What is on the table?\nA. a bowl\nB. a small pitcher\nC. a cup\nD. nothing\n"
    "Answer with the option's letter from the given choices directly."
)
CASES = [
    *((Kind.NUMBER, *case) for case in NUMBERS),
    *((Kind.YES_NO, *case) for case in YES_NO),
    *((Kind.MULTIPLE_CHOICE, *case) for case in OPTIONS),
    *((Kind.SHORT_PHRASE, *case) for case in PHRASES),
]

SAME = [
    ("number", "3", "three", True),
    ("number", "−3", "3", False),
    ("number", "1.5 million", "1.5", False),
    ("number", "3 cm", "3 m", False),
    ("number", "5 °C", "−5 °C", False),
    ("short_phrase", "C++", "C#", False),
    ("short_phrase", "vitamin A", "vitamin", False),
    ("short_phrase", "Straße", "STRASSE", True),
    ("short_phrase", "cafe\u0301", "café", True),
    ("short_phrase", "ก่", "ก", False),
    ("short_phrase", "कि", "की", False),
    ("short_phrase", "3.5", "35", False),
    ("short_phrase", "5", "-5", False),
    ("short_phrase", "two dogs", "2 dogs", True),
]
"""Kind, two answers, and whether they are one vote."""


def counted(kind: Kind, text: str) -> str | None:
    choices = CHOICES if kind is Kind.MULTIPLE_CHOICE else None
    return normalize(text, Question(id="q", images=("0",), text="?", kind=kind, choices=choices))


@pytest.mark.parametrize(("kind", "text", "expected"), CASES)
def test_an_answer_is_counted_in_the_form_of_its_kind(
    kind: Kind, text: str, expected: str | None
) -> None:
    assert counted(kind, text) == expected


@pytest.mark.parametrize(("text", "expected"), FINAL)
def test_what_a_response_says_last_is_its_answer(text: str, expected: str | None) -> None:
    assert final_answer(text) == expected


@pytest.mark.parametrize(
    ("longest", "limit"),
    [(lambda size: "a" * size, MAX_FINAL), (lambda size: f"{'so' * size}\nb"[-size:], MAX_ANSWER)],
    ids=["final answer", "response"],
)
def test_a_response_or_final_answer_beyond_its_limit_has_no_vote(
    longest: Callable[[int], str], limit: int
) -> None:
    assert counted(Kind.SHORT_PHRASE, longest(limit)) == longest(limit).split()[-1]
    assert counted(Kind.SHORT_PHRASE, longest(limit + 1)) is None


@pytest.mark.parametrize(("text", "expected"), IN_TEXT)
def test_options_that_stand_in_the_question_are_read_from_there(
    text: str, expected: str | None
) -> None:
    question = Question(
        id="q", images=("0",), text=WITH_OPTIONS, kind=Kind.MULTIPLE_CHOICE, choices=None
    )
    assert normalize(text, question) == expected


@pytest.mark.parametrize(("choices", "text", "expected"), OTHER_OPTIONS)
def test_a_letter_and_an_options_text_are_told_apart(
    choices: tuple[str, ...] | None, text: str, expected: str | None
) -> None:
    question = Question(
        id="q", images=("0",), text="Which?", kind=Kind.MULTIPLE_CHOICE, choices=choices
    )
    assert normalize(text, question) == expected


@pytest.mark.parametrize(("kind", "one", "other", "same"), SAME)
def test_two_spellings_are_one_vote_where_they_are_one_answer(
    kind: str, one: str, other: str, same: bool
) -> None:
    forms = counted(Kind(kind), one), counted(Kind(kind), other)
    assert None not in forms
    assert (forms[0] == forms[1]) is same


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["3", "3 cm", None], ["3", "3", None]),
        (["3 cm", "3 m", "3"], ["3 cm", "3 m", None]),
        (["50 %", "50"], ["50", "50"]),
        (["3", "4"], ["3", "4"]),
        ([None], [None]),
    ],
)
def test_a_number_without_unit_is_in_the_one_unit_of_the_others_or_has_no_vote(
    answers: list[str | None], expected: list[str | None]
) -> None:
    assert in_one_unit(answers) == expected


@pytest.mark.parametrize(
    ("text", "measure"),
    [
        (" dogs", Measure(scale=1, unit="", length=0)),
        (" million dollars in all", Measure(scale=10**6, unit="$", length=16)),
        ("k", Measure(scale=1000, unit="", length=1)),
        ("th", None),
    ],
)
def test_what_follows_a_number_is_its_scale_and_its_unit(
    text: str, measure: Measure | None
) -> None:
    assert unit_after(text) == measure


def test_latex_is_read_in_a_thread_as_well() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(counted, Kind.NUMBER, "\\frac{1}{2}").result() == "0.5"


FRAGMENTS = (
    *(
        "3",
        " ",
        "-",
        "−",
        ".",
        ",",
        "1,200",
        "½",
        "²",
        "/",
        "^",
        "three",
        "half",
        "a",
        "and",
        "one",
    ),
    *(
        "million",
        "%",
        "°C",
        "cm",
        "not",
        "at least",
        "or",
        "$",
        "\\frac{1}{2}",
        "\\boxed{",
        "{",
        "}",
    ),
    *(
        "(",
        ")",
        "\\sqrt{",
        "e5",
        "x 10^",
        "A",
        "B.",
        "Answer:",
        "\n",
        "yes",
        "no",
        "९",
        "一",
        "third",
    ),
)


@settings(max_examples=300)
@given(st.sampled_from(Kind), st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join))
def test_whatever_is_put_together_is_counted_or_has_no_vote(kind: Kind, text: str) -> None:
    counted(kind, text)


@given(st.sampled_from(Kind), st.text(max_size=200))
def test_any_text_at_all_is_counted_or_has_no_vote(kind: Kind, text: str) -> None:
    counted(kind, text)


@given(st.integers(-(10**12), 10**12), st.integers(0, 6))
def test_a_decimal_is_counted_as_itself(value: int, places: int) -> None:
    text = f"{value / 10**places:.{places}f}"
    form = counted(Kind.NUMBER, text)
    assert form is not None
    assert float(form) == float(text)


HOSTILE = (
    *(
        "1",
        "1,",
        "1 ",
        "-",
        ".",
        "^1",
        "/1",
        "½",
        "(",
        "{",
        "\\frac{",
        "\\boxed{",
        "\\sqrt{1}",
        "$1$",
    ),
    *(
        "one ",
        "hundred ",
        "and ",
        "half ",
        "million ",
        "Answer: ",
        "A. ",
        "B ",
        "yes ",
        "no ",
        "''",
    ),
    *("\n", "Answer:\n", "<answer>", '{"a":', "the ", "ﷺ", "9^9", "2^30", "\\times 10^30"),
)


@pytest.mark.parametrize("fragment", HOSTILE)
@pytest.mark.parametrize("kind", [Kind.NUMBER, Kind.MULTIPLE_CHOICE, Kind.SHORT_PHRASE])
def test_no_text_takes_long(kind: Kind, fragment: str) -> None:
    counted(kind, "\\frac{1}{2}")  # loads what is loaded once
    for size in (60, 390, MAX_ANSWER):
        start = time.process_time()
        counted(kind, fragment * (size // len(fragment)))
        assert time.process_time() - start < 1
