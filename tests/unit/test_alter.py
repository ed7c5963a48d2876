"""Open questions: which altered copies are used, and why others are not."""

import time

import msgspec
import pytest

from judgeloop.method.synthesis.alter import (
    changed_words,
    original_answer,
    pair_by_alteration,
)
from judgeloop.method.synthesis.cleaning import clean_answer, with_ending_of
from judgeloop.method.synthesis.errors import draw_error
from judgeloop.method.synthesis.notes import notes
from judgeloop.schema.keys import content_key
from judgeloop.schema.method_sections import SynthesisSection
from judgeloop.schema.records import Altered, Dropped, Kind, Pair, Question
from judgeloop.schema.requests import Response, Sample
from judgeloop.schema.sampling import Sampling
from tests.unit.alter_cases import (
    ENDINGS,
    FAR,
    GOOD,
    KEPT,
    ON_THE_BOUND,
    ORIGINAL,
    PLACES,
    PLANTED,
    REFUSED,
    WRAPPED,
)

QUESTION = Question(id="q", images=("0",), text="Describe the image.", kind=Kind.CAPTION)
ERROR = "colour"
SETTINGS = SynthesisSection(
    answer=Sampling(), alter=Sampling(), vote=Sampling(), errors=("colour", "count")
)


def result(
    *copies: str,
    finish_reason: str = "stop",
    original: str = ORIGINAL,
    settings: SynthesisSection = SETTINGS,
) -> Pair | Dropped:
    samples = tuple(Sample(text=c, finish_reason=finish_reason, tokens=9) for c in copies)
    response = Response(id="q", samples=samples)
    return pair_by_alteration(QUESTION, original, ERROR, response, settings, {})


def test_a_copy_with_one_changed_word_gives_a_pair_that_names_the_error() -> None:
    pair = result(ORIGINAL.replace("red", "green"))
    assert pair == Pair(
        id=content_key("alter", "q", ORIGINAL, GOOD), question=QUESTION, chosen=ORIGINAL,
        rejected=GOOD, origin=Altered(error=ERROR, place="red -> green"),
    )  # fmt: skip


@pytest.mark.parametrize(("original", "copy"), PLANTED)
def test_a_copy_with_one_error_is_used_in_any_language(original: str, copy: str) -> None:
    settings = msgspec.structs.replace(SETTINGS, min_length_ratio=0.3)
    pair = result(copy, original=original, settings=settings)
    assert isinstance(pair, Pair), pair.reason
    assert (pair.chosen, pair.rejected) == (original, copy)


@pytest.mark.parametrize("copy", WRAPPED)
def test_what_wraps_a_copy_is_taken_off(copy: str) -> None:
    pair = result(copy)
    assert isinstance(pair, Pair), pair.reason
    assert pair.rejected == GOOD


@pytest.mark.parametrize("answer", WRAPPED)
def test_what_wraps_an_original_is_taken_off_alike(answer: str) -> None:
    sample = Sample(text=answer, finish_reason="stop", tokens=9)
    cleaned = original_answer(QUESTION, Response(id="q", samples=(sample,)))
    assert cleaned in (GOOD, GOOD.rstrip("."))


@pytest.mark.parametrize(
    ("original", "copy", "reason"), [*((ORIGINAL, *case) for case in REFUSED), *FAR]
)
def test_an_unusable_copy_is_dropped_with_its_reason(original: str, copy: str, reason: str) -> None:
    dropped = result(copy, original=original)
    assert isinstance(dropped, Dropped), dropped.rejected
    assert dropped.reason == reason


@pytest.mark.parametrize(("original", "copy", "reason"), ON_THE_BOUND)
def test_a_copy_on_a_bound_is_used_and_one_beyond_it_is_not(
    original: str, copy: str, reason: str | None
) -> None:
    settings = msgspec.structs.replace(SETTINGS, min_length_ratio=0.5)
    made = result(copy, original=original, settings=settings)
    assert (made.reason if isinstance(made, Dropped) else None) == reason


@pytest.mark.parametrize("answer", KEPT)
def test_signs_that_do_not_wrap_the_whole_answer_stay(answer: str) -> None:
    assert clean_answer(answer) == answer


@pytest.mark.parametrize(("wrapped", "answer"), [("**A**", "A"), ('"A"', "A"), ("`A`", "A")])
def test_an_answer_of_one_character_is_unwrapped(wrapped: str, answer: str) -> None:
    assert clean_answer(wrapped) == answer


@pytest.mark.parametrize(("copy", "original", "expected"), ENDINGS)
def test_a_copy_ends_as_its_original_does(copy: str, original: str, expected: str) -> None:
    assert with_ending_of(copy, original) == expected


@pytest.mark.parametrize("words", [("ab",), ("a", "b", "c"), ("红",), ("**",), ("(",), ("\n",)])
def test_comparing_two_long_answers_takes_no_second(words: tuple[str, ...]) -> None:
    text = " ".join(words * (9_500 // len(" ".join(words))))
    start = time.process_time()
    result(f"{text} end", original=f"{text} begin")
    result(" ".join(reversed(text.split())) + " x", original=text)
    assert time.process_time() - start < 1


def test_an_answer_of_ten_thousand_short_words_is_compared_at_once() -> None:
    words = [str(number % 97) for number in range(9_000)]
    copy = [word if number % 3 else "x" for number, word in enumerate(words)]
    start = time.process_time()
    assert result(" ".join(copy)[:20_000], original=" ".join(words)[:20_000]).reason
    assert time.process_time() - start < 2


def test_a_copy_cut_off_at_the_limit_is_dropped() -> None:
    dropped = result(ORIGINAL.replace("red", "green"), finish_reason="length")
    assert isinstance(dropped, Dropped)
    assert dropped.reason == "copy_truncated"


def test_the_first_usable_copy_of_equal_length_is_taken() -> None:
    same = (ORIGINAL.replace("dog", "cat"), ORIGINAL.replace("dog", "cow"))
    pair = result(ORIGINAL, *same)
    assert isinstance(pair, Pair)
    assert pair.rejected == same[0]


def test_a_note_about_a_mistake_in_the_original_is_no_alteration_note() -> None:
    original = "The sign says: mistake number two."
    samples = (Sample(text="The sign says: mistake number three.", finish_reason="stop", tokens=9),)
    response = Response(id="q", samples=samples)
    assert isinstance(pair_by_alteration(QUESTION, original, ERROR, response, SETTINGS, {}), Pair)


def test_notes_are_found_in_lower_case_and_in_order() -> None:
    assert notes("Note: an ERROR was changed") == ["changed", "error", "note:"]


@pytest.mark.parametrize(("original", "copy", "places"), PLACES)
def test_changed_words_lists_every_place(original: str, copy: str, places: str) -> None:
    assert changed_words(original, copy) == places


def test_errors_are_drawn_evenly_and_repeatably() -> None:
    questions = [
        Question(id=str(i), images=("0",), text="?", kind=Kind.CAPTION) for i in range(2000)
    ]
    drawn = [draw_error({}, q, "a dog", ("a", "b", "c", "d"), 7) for q in questions]
    assert drawn == [draw_error({}, q, "a dog", ("a", "b", "c", "d"), 7) for q in questions]
    assert all(400 < drawn.count(error) < 600 for error in "abcd")
