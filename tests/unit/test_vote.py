"""Closed questions: which votes give a pair, and which are dropped with which reason."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgeloop.method.synthesis import vote
from judgeloop.schema.config import load_config
from judgeloop.schema.method_sections import SynthesisSection
from judgeloop.schema.records import Dropped, Kind, Pair, Question, Voted
from judgeloop.schema.requests import Response, Sample
from judgeloop.schema.sampling import Sampling
from tests.conftest import REPOSITORY

PAPER = REPOSITORY / "pipelines/configs/paper.yaml"
QUESTION = Question(id="q", images=("0",), text="count red", kind=Kind.NUMBER)


def pair_by_vote(
    question: Question, response: Response, threshold: int, seed: int, **changes: Any
) -> Pair | Dropped:
    settings = SynthesisSection(
        answer=Sampling(),
        alter=Sampling(),
        vote=Sampling(),
        errors=("count",),
        vote_threshold=threshold,
        **changes,
    )
    return vote.pair_by_vote(question, response, settings, seed)


def votes(*texts: str, finish_reason: str = "stop") -> Response:
    return Response(
        id="q",
        samples=tuple(Sample(text=t, finish_reason=finish_reason, tokens=2) for t in texts),
    )


def reason(result: Pair | Dropped) -> str:
    return result.reason if isinstance(result, Dropped) else "pair"


def test_a_unique_majority_at_the_threshold_gives_a_pair_with_whole_responses() -> None:
    pair = pair_by_vote(QUESTION, votes("I count 3", "three", "2", "3", "5"), 3, seed=0)
    assert isinstance(pair, Pair)
    assert pair.chosen in {"I count 3", "three", "3"}
    assert pair.rejected in {"2", "5"}
    assert pair.origin == Voted(counts={"2": 1, "3": 3, "5": 1})


def test_a_majority_below_the_threshold_gives_no_pair() -> None:
    assert reason(pair_by_vote(QUESTION, votes("3", "3", "2", "1"), 3, 0)) == "below_threshold"


def test_a_tie_gives_no_pair() -> None:
    result = pair_by_vote(QUESTION, votes("3", "3", "2", "2"), 2, 0)
    assert result == Dropped(id="q", reason="tie", detail="2: 2, 3: 2")


@pytest.mark.parametrize(("margin", "expected"), [(1, "pair"), (2, "pair"), (3, "small_margin")])
def test_a_majority_needs_its_margin(margin: int, expected: str) -> None:
    made = pair_by_vote(QUESTION, votes("3", "3", "3", "2"), 3, 0, vote_margin=margin)
    assert reason(made) == expected


def test_the_rejected_answer_may_be_kept_to_the_most_frequent_other_one() -> None:
    spread = votes("3", "3", "3", "3", "2", "5", "5", "7")
    rejected: dict[str, set[str]] = {"sample": set(), "frequent": set()}
    for how, found in rejected.items():
        for seed in range(60):
            pair = pair_by_vote(QUESTION, spread, 3, seed, vote_rejected=how)
            assert isinstance(pair, Pair)
            found.add(pair.rejected)
    assert rejected == {"sample": {"2", "5", "7"}, "frequent": {"5"}}


def test_of_two_other_answers_that_are_as_frequent_the_first_in_order_is_rejected() -> None:
    pair = pair_by_vote(QUESTION, votes("3", "3", "7", "5"), 2, 0, vote_rejected="frequent")
    assert isinstance(pair, Pair)
    assert pair.rejected == "5"


def test_the_preset_of_the_paper_asks_as_the_paper_states() -> None:
    settings = load_config(PAPER).synthesis
    asked = settings.vote
    assert (settings.vote_samples, settings.vote_threshold) == (16, 5)
    assert (asked.temperature, asked.top_k, asked.top_p) == (0.6, 50, 0.9)
    unset = SynthesisSection(answer=asked, alter=asked, vote=asked, errors=("count",))
    assert (unset.vote_samples, unset.vote_threshold, unset.vote_rejected) == (16, 5, "sample")


def test_numbers_with_and_without_the_one_unit_are_the_same_answer() -> None:
    assert reason(pair_by_vote(QUESTION, votes("3 cm", "3", "3 cm"), 2, 0)) == "unanimous"
    assert reason(pair_by_vote(QUESTION, votes("3 cm", "3", "3 m", "3 cm"), 2, 0)) == "pair"


def test_unanimous_answers_give_no_pair() -> None:
    assert reason(pair_by_vote(QUESTION, votes("3", "three", "3"), 2, 0)) == "unanimous"


def test_unreadable_and_cut_off_answers_have_no_vote() -> None:
    assert reason(pair_by_vote(QUESTION, votes("?", "?", "many"), 1, 0)) == "no_readable_answer"
    cut_off = votes("3", "3", "2", finish_reason="length")
    assert reason(pair_by_vote(QUESTION, cut_off, 1, 0)) == "no_readable_answer"


def test_an_unreadable_answer_is_never_the_rejected_one() -> None:
    for seed in range(30):
        pair = pair_by_vote(QUESTION, votes("3", "3", "?", "?", "2"), 2, seed)
        assert isinstance(pair, Pair)
        assert pair.rejected == "2"


def test_any_sample_of_the_majority_and_any_other_may_stand_for_its_side() -> None:
    chosen, rejected = set(), set()
    for seed in range(60):
        pair = pair_by_vote(QUESTION, votes("I count 3", "three", "2", "3", "5"), 3, seed)
        assert isinstance(pair, Pair)
        chosen.add(pair.chosen)
        rejected.add(pair.rejected)
    assert chosen == {"I count 3", "three", "3"}
    assert rejected == {"2", "5"}


def test_an_engine_error_is_a_reason_with_its_message() -> None:
    result = pair_by_vote(QUESTION, Response(id="q", error="no image"), 1, 0)
    assert result == Dropped(id="q", reason="engine_error", detail="no image")


@given(st.lists(st.integers(0, 4), min_size=1, max_size=16), st.integers(1, 8), st.integers(0, 99))
def test_a_pair_always_puts_the_strict_majority_first(
    answers: list[int], threshold: int, seed: int
) -> None:
    result = pair_by_vote(QUESTION, votes(*map(str, answers)), threshold, seed)
    ranked = Counter(answers).most_common()
    if isinstance(result, Pair):
        assert int(result.chosen) == ranked[0][0]
        assert ranked[0][1] >= threshold
        assert ranked[0][1] > ranked[1][1]
        assert result.rejected != result.chosen
        assert int(result.rejected) in answers
    else:
        won = ranked[0][1] >= threshold and len(ranked) > 1 and ranked[0][1] > ranked[1][1]
        assert not won
