"""The gate: it promotes on evidence alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgeloop.evaluation.gate import decide_promotion
from judgeloop.schema.errors import DataError
from judgeloop.schema.records import Choice, ItemResult

NAMES = ("judge/8", "judge/7")


def results(right: list[bool], first: int = 0) -> list[ItemResult]:
    return [
        ItemResult(
            item_id=f"item-{number}",
            category="x",
            chosen_first=Choice.A,
            rejected_first=Choice.B if good else Choice.A,
        )
        for number, good in enumerate(right, start=first)
    ]


def test_a_clearly_better_candidate_is_promoted_with_the_figures():
    mine, theirs = [True] * 45 + [False] * 5, [True] * 20 + [False] * 30
    decision = decide_promotion(results(mine), results(theirs), NAMES, 0.0)
    assert decision.decision == "promote"
    assert (decision.candidate, decision.champion, decision.n) == (*NAMES, 50)
    assert decision.difference == pytest.approx(0.5)
    assert 0 < decision.low < 0.5 < decision.high < 1
    assert "+0.500 on 50 items" in decision.reason


def test_a_small_difference_is_refused():
    decision = decide_promotion(
        results([True] * 26 + [False] * 24), results([True] * 25 + [False] * 25), NAMES, 0.0
    )
    assert decision.decision == "refuse"
    assert decision.low < 0 < decision.difference


def test_the_interval_must_lie_above_the_configured_difference():
    mine, theirs = results([True] * 50), results([True] * 20 + [False] * 30)
    assert decide_promotion(mine, theirs, NAMES, 0.4).decision == "promote"
    assert decide_promotion(mine, theirs, NAMES, 0.6).decision == "refuse"


def test_results_are_paired_by_item_and_not_by_position():
    mine, theirs = results([True] * 30 + [False] * 30), results([True] * 30 + [False] * 30)
    decision = decide_promotion(mine, theirs[::-1], NAMES, 0.0)
    assert (decision.difference, decision.decision) == (0, "refuse")
    assert decision.high < 0.1  # item by item they agree; by position they would not


def test_the_champion_is_not_compared_with_itself():
    decision = decide_promotion(results([True]), results([False]), ("judge/7", "judge/7"), 0.0)
    assert decision.decision == "refuse"
    assert "champion already" in decision.reason


def test_other_items_are_refused_and_counted():
    decision = decide_promotion(results([True] * 30), results([False] * 30, 1), NAMES, 0.0)
    assert decision.decision == "refuse"
    assert "different items: 2 have" in decision.reason
    assert (decision.n, decision.low, decision.high) == (0, -1, 1)


def test_no_items_are_refused():
    decision = decide_promotion([], [], NAMES, 0.0)
    assert (decision.decision, decision.n) == ("refuse", 0)
    assert "no items" in decision.reason


def test_two_results_for_one_item_are_an_error_that_names_it():
    with pytest.raises(DataError, match=r"judge/8 has two results for item item-0"):
        decide_promotion(results([True]) * 2, results([True]), NAMES, 0.0)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_of_two_judges_at_most_one_may_replace_the_other(pairs):
    mine, theirs = (results(list(side)) for side in zip(*pairs, strict=True))
    there = decide_promotion(mine, theirs, NAMES, 0.0)
    back = decide_promotion(theirs, mine, NAMES[::-1], 0.0)
    assert {there.decision, back.decision} != {"promote"}
    assert (there.difference, there.low) == (
        pytest.approx(-back.difference),
        pytest.approx(-back.high),
    )
