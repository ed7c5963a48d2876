"""Open questions: which altered copies are used, and why others are not."""

import pytest

from judgeloop.method.synthesis.alter import changed_words, draw_error, pair_by_alteration
from judgeloop.schema.config import SynthesisSection
from judgeloop.schema.records import Altered, Dropped, Kind, Pair, Question
from judgeloop.schema.requests import Response, Sample
from judgeloop.schema.sampling import Sampling

QUESTION = Question(id="q", images=("0",), text="Describe the image.", kind=Kind.CAPTION)
ORIGINAL = "A brown dog sleeps on a red sofa next to two cushions."
SETTINGS = SynthesisSection(
    answer=Sampling(), alter=Sampling(), vote=Sampling(), errors=("colour", "count")
)


def result(*copies: str, finish_reason: str = "stop") -> Pair | Dropped:
    samples = tuple(Sample(text=c, finish_reason=finish_reason, tokens=9) for c in copies)
    response = Response(id="q", samples=samples)
    return pair_by_alteration(QUESTION, ORIGINAL, response, SETTINGS, seed=0)


def test_a_copy_with_one_changed_word_gives_a_pair_that_names_the_error() -> None:
    pair = result(ORIGINAL.replace("red", "green"))
    assert isinstance(pair, Pair)
    assert (pair.chosen, pair.rejected) == (ORIGINAL, ORIGINAL.replace("red", "green"))
    error = draw_error(QUESTION, SETTINGS.errors, 0)
    assert pair.origin == Altered(error=error, place="red -> green")


@pytest.mark.parametrize(
    ("copy", "reason"),
    [
        (ORIGINAL, "unchanged"),
        (f"  {ORIGINAL}\n", "unchanged"),
        ("", "copy_empty"),
        ("A dog.", "length"),
        (f"{ORIGINAL} {ORIGINAL} And more.", "length"),
        (ORIGINAL.replace("red", "green") + " (Note: altered)", "alteration_note"),
        ("Several cats play in a sunny garden behind some old houses.", "rewritten"),
    ],
)
def test_an_unusable_copy_is_dropped_with_its_reason(copy: str, reason: str) -> None:
    dropped = result(copy)
    assert isinstance(dropped, Dropped)
    assert dropped.reason == reason


def test_a_copy_cut_off_at_the_limit_is_dropped() -> None:
    dropped = result(ORIGINAL.replace("red", "green"), finish_reason="length")
    assert isinstance(dropped, Dropped)
    assert dropped.reason == "copy_truncated"


def test_the_first_usable_copy_of_several_tries_is_taken() -> None:
    pair = result(ORIGINAL, ORIGINAL.replace("two", "three"), ORIGINAL.replace("dog", "cat"))
    assert isinstance(pair, Pair)
    assert pair.rejected == ORIGINAL.replace("two", "three")


def test_a_note_about_a_mistake_in_the_original_is_no_alteration_note() -> None:
    original = "The sign says: mistake number two."
    samples = (Sample(text="The sign says: mistake number three.", finish_reason="stop", tokens=9),)
    response = Response(id="q", samples=samples)
    assert isinstance(pair_by_alteration(QUESTION, original, response, SETTINGS, 0), Pair)


def test_changed_words_lists_every_place() -> None:
    assert changed_words("a b c d", "a x c y z") == "b -> x; d -> y z"


def test_errors_are_drawn_evenly_and_repeatably() -> None:
    questions = [
        Question(id=str(i), images=("0",), text="?", kind=Kind.CAPTION) for i in range(2000)
    ]
    drawn = [draw_error(q, ("a", "b", "c", "d"), 7) for q in questions]
    assert drawn == [draw_error(q, ("a", "b", "c", "d"), 7) for q in questions]
    assert all(400 < drawn.count(error) < 600 for error in "abcd")
