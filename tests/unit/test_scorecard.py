"""The scorecard: identities that hold for every judge, and judges with known figures."""

import tracemalloc
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgeloop.evaluation.scorecard import scorecard
from judgeloop.evaluation.statistics import mean_interval, wilson
from judgeloop.schema.records import Choice, ItemResult
from judgeloop.schema.scorecard import Scorecard

OVERALL = {
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "both_orders",
    "both_orders_low",
    "both_orders_high",
    "undecided",
}
CONSISTENCY = {"consistency", "consistency_low", "consistency_high"}
"""Where there is an item."""
FIRST = {"first_position", "first_position_low", "first_position_high"}
"""Where a verdict is decided."""
LONGER = {"longer", "longer_low", "longer_high", "longer_is_better"}
"""Where the answers' lengths are known."""
judged = st.tuples(st.sampled_from("xyz"), st.sampled_from(Choice), st.sampled_from(Choice))


def result(number: int, category: str, first: Choice, second: Choice) -> ItemResult:
    return ItemResult(
        item_id=f"item-{number}", category=category, chosen_first=first, rejected_first=second
    )


def card(*rows: tuple[str, Choice, Choice]) -> Scorecard:
    return scorecard(result(number, *row) for number, row in enumerate(rows))


@given(st.lists(judged, min_size=1))
def test_overall_figures_are_the_means_over_categories_weighted_by_their_items(rows):
    made = card(*rows)
    parts = made.categories.values()
    assert sum(part.n for part in parts) == made.n == len(rows)
    assert made.accuracy == pytest.approx(sum(p.n * p.accuracy for p in parts) / made.n)
    assert made.both_orders == pytest.approx(sum(p.n * p.both_orders for p in parts) / made.n)


@given(st.lists(judged, min_size=1))
def test_figures_agree_with_the_items_they_are_made_of(rows):
    items = [result(number, *row) for number, row in enumerate(rows)]
    made = scorecard(items)
    assert made.accuracy_interval == mean_interval(item.accuracy for item in items)
    assert made.both_orders_interval == wilson(sum(item.both_orders for item in items), len(items))
    rounding = 1e-12
    assert made.both_orders <= made.accuracy + rounding
    assert made.accuracy <= 1 - made.undecided + rounding
    verdicts = [choice for _, *choices in rows for choice in choices]
    assert made.undecided_verdicts == verdicts.count(Choice.UNDECIDED)


@given(st.lists(judged), st.randoms(use_true_random=False))
def test_the_order_of_the_items_changes_nothing(rows, rng):
    shuffled = rng.sample(rows, len(rows))
    assert card(*rows) == card(*shuffled)


@given(st.integers(1, 30))
def test_always_choosing_the_first_answer_is_right_half_the_time_and_never_twice(n):
    made = card(*[("x", Choice.A, Choice.A)] * n)
    assert (made.accuracy, made.both_orders, made.first_position) == (0.5, 0, 1)


def test_a_perfect_judge_has_no_position_bias():
    made = card(*[("x", Choice.A, Choice.B)] * 4)
    assert (made.accuracy, made.both_orders, made.first_position, made.undecided) == (1, 1, 0.5, 0)


def test_an_undecided_verdict_counts_as_wrong_and_favours_no_side():
    made = card(("x", Choice.A, Choice.UNDECIDED), ("x", Choice.UNDECIDED, Choice.UNDECIDED))
    assert (made.accuracy, made.both_orders) == (0.25, 0)
    assert (made.undecided, made.undecided_verdicts, made.first_position) == (0.75, 3, 1)
    silent = card(("x", Choice.UNDECIDED, Choice.UNDECIDED))
    assert (silent.undecided, silent.first_position) == (1, None)
    assert "first_position" not in silent.metrics()


def test_metrics_and_counts_have_the_agreed_names():
    made = card(("y", Choice.A, Choice.B), ("x", Choice.B, Choice.B))
    figures = ("accuracy", "both_orders", "both_orders_low", "both_orders_high")
    names = {f"{figure}/{part}" for figure in figures for part in "xy"}
    assert set(made.metrics()) == OVERALL | CONSISTENCY | FIRST | names
    measured = msgspec.structs.replace(result(0, "x", Choice.A, Choice.B), lengths=(9, 5))
    assert set(scorecard([measured]).metrics()) > LONGER
    assert made.metrics()["accuracy/x"] == 0.5
    assert made.counts() == {"n": 2, "undecided_verdicts": 0, "n/x": 1, "n/y": 1}


def test_without_items_there_are_figures_that_claim_nothing():
    made = card()
    assert set(made.metrics()) == OVERALL
    assert made.counts() == {"n": 0, "undecided_verdicts": 0}
    assert made.both_orders_interval == made.accuracy_interval == (0, 1)


def test_items_about_one_image_widen_every_interval_of_the_scorecard_and_never_narrow_it():
    def judged(images: int) -> Scorecard:
        return scorecard(
            ItemResult(
                item_id=f"item-{number}",
                category="x",
                chosen_first=Choice.A,
                rejected_first=Choice.B if number // 8 % 2 else Choice.A,
                image=f"image-{number * images // 160}" if images else "",
            )
            for number in range(160)
        )

    alone = judged(160)
    assert alone == judged(0)  # an unknown image is one of its own
    assert alone.both_orders_interval == alone.categories["x"].both_orders_interval
    assert alone.both_orders_interval == wilson(80, 160)
    shared, few = judged(20), judged(2)
    assert few == alone  # too few images to draw from
    for clustered, independent in (
        (shared.both_orders_interval, alone.both_orders_interval),
        (shared.categories["x"].both_orders_interval, alone.both_orders_interval),
        (shared.accuracy_interval, alone.accuracy_interval),
    ):
        assert clustered.high - clustered.low > 2 * (independent.high - independent.low)
    assert (shared.both_orders, shared.accuracy) == (alone.both_orders, alone.accuracy)


def test_memory_does_not_grow_with_the_number_of_items():
    def many() -> Iterator[ItemResult]:
        for number in range(20_000):
            yield result(number, "x", Choice.A, Choice.B)

    card(("x", Choice.A, Choice.B))
    tracemalloc.start()
    scorecard(many())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000  # 20,000 results would be megabytes
