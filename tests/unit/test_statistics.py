"""Intervals: known values, edges, symmetry, and how often they hold the truth."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from judgeloop.evaluation.statistics import (
    CONFIDENCE,
    mean_interval,
    paired_bound,
    paired_interval,
    wilson,
)
from judgeloop.schema.scorecard import Interval

ROUNDS = 2000


def close(interval: Interval, low: float, high: float, tolerance: float = 1e-4) -> bool:
    return math.isclose(interval.low, low, abs_tol=tolerance) and math.isclose(
        interval.high, high, abs_tol=tolerance
    )


def coverage(rounds: list[tuple[Interval, float]]) -> float:
    return sum(low <= truth <= high for (low, high), truth in rounds) / len(rounds)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_values_of_newcombes_table(successes, n, low, high):
    assert close(wilson(successes, n), low, high)  # Newcombe 1998, two-sided intervals, method 3


@pytest.mark.parametrize("n", [1, 2, 3, 10, 37, 1000, 10**9, 10**12])
def test_wilsons_interval_is_scipys(n):
    for successes in {0, 1, n // 3, n // 2, n - 1, n}:
        found = binomtest(successes, n).proportion_ci(0.95, method="wilson")
        assert wilson(successes, n) == pytest.approx((found.low, found.high), rel=1e-12, abs=1e-15)


def test_without_items_nothing_is_known():
    assert wilson(0, 0) == (0, 1)
    assert mean_interval([]) == (0, 1)
    assert paired_interval([]) == (-1, 1)


@given(st.integers(1, 500), st.data())
def test_wilson_holds_the_share_stays_in_range_and_is_symmetric(n, data):
    successes = data.draw(st.integers(0, n))
    low, high = wilson(successes, n)
    mirrored = wilson(n - successes, n)
    assert 0 <= low <= successes / n <= high <= 1
    assert low < high
    assert close(mirrored, 1 - high, 1 - low, 1e-12)


@given(st.lists(st.sampled_from([0, 1]), min_size=1, max_size=80))
def test_the_mean_of_zeros_and_ones_has_wilsons_interval(values):
    assert close(mean_interval(values), *wilson(sum(values), len(values)), 1e-9)


@given(st.lists(st.sampled_from([0, 0.5, 1]), min_size=1, max_size=80))
def test_a_means_interval_holds_it_stays_in_range_and_is_symmetric(values):
    low, high = mean_interval(values)
    assert 0 <= low <= sum(values) / len(values) <= high <= 1
    assert low < high
    assert close(mean_interval([1 - value for value in values]), 1 - high, 1 - low, 1e-9)


@pytest.mark.parametrize("n", range(1, 60))
def test_a_means_interval_ends_exactly_at_a_mean_of_0_or_1(n):
    assert mean_interval([0.0] * n).low == 0 == 1 - mean_interval([1.0] * n).high


@pytest.mark.parametrize("n", range(1, 60))
def test_a_paired_interval_ends_exactly_at_1_where_one_judge_alone_was_right(n):
    assert paired_interval([1] * n).high == 1 == -paired_interval([-1] * n).low
    assert paired_bound(n, 0, n, 0.05) == 1


def test_equal_values_do_not_make_a_mean_certain():
    assert mean_interval([1.0] * 10) == wilson(10, 10)
    assert mean_interval([0.5] * 10) == wilson(10, 20)


def test_a_paired_interval_gives_the_published_value_of_tangos_method():
    # Fagerland, Lydersen and Laake 2014: airway reactivity of 21 children, before and after.
    assert close(paired_interval([1] + [-1] * 7 + [0] * 13), -0.517, -0.026, 5e-4)


@pytest.mark.parametrize(
    ("interval_of", "values", "low", "high"),
    [
        (wilson, (2, 2), 0.3423802, 1),
        (mean_interval, ([0.0],), 0, 0.7934507),
        (mean_interval, ([0.5, 0.5, 1],), 0.2999933, 0.9032286),
        (mean_interval, ([1, 0, 0.5, 0.5],), 0.2152161, 0.7847839),
        (mean_interval, ([1, 0.5, 0, 1, 1],), 0.3380712, 0.9142366),
        (paired_interval, ([1],), -0.5869014, 1),
        (paired_interval, ([-1],), -1, 0.5869014),
        (paired_interval, ([1, 1, 0, -1, 0],), -0.4446224, 0.6970526),
    ],
)
def test_intervals_of_few_items_keep_their_values(interval_of, values, low, high):
    """No table has them; they change only with the method, which must be named then."""
    assert close(interval_of(*values), low, high, 1e-6)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_a_paired_interval_holds_the_difference_and_turns_with_it(better, worse, ties):
    values = [1] * better + [-1] * worse + [0] * ties
    low, high = paired_interval(values)
    mean = (better - worse) / len(values) if values else 0
    assert -1 <= low <= mean <= high <= 1
    assert low < high
    assert close(paired_interval([-value for value in values]), -high, -low, 1e-9)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_a_paired_interval_lies_above_zero_exactly_where_mcnemars_test_says_so(better, worse, ties):
    values = [1] * better + [-1] * worse + [0] * ties
    statistic = (better - worse) / math.sqrt(better + worse) if better + worse else 0.0
    assert (paired_interval(values).low > 0) == (statistic > 1.959963984540054)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_a_one_sided_bound_at_half_the_error_is_the_upper_end_of_the_interval(better, worse, ties):
    n = better + worse + ties
    bound = paired_bound(better, worse, n, (1 - CONFIDENCE) / 2)
    values = [1] * better + [-1] * worse + [0] * ties
    assert bound == pytest.approx(paired_interval(values).high, abs=1e-9)


@pytest.mark.parametrize(
    ("better", "worse", "n", "error", "bound"),
    [
        (0, 0, 0, 0.05, 1),
        (3, 0, 3, 0.05, 1),
        (0, 0, 10, 0.05, 0.2129420),
        (0, 0, 0.2, 0.05, 0.9311661),
        (1.5, 0.5, 4.5, 0.05, 0.6439017),
    ],
)
def test_a_bound_takes_parts_of_an_item(better, worse, n, error, bound):
    """Of equal judges it is z²/(n + z²); the last is by maximizing the likelihood numerically."""
    assert paired_bound(better, worse, n, error) == pytest.approx(bound, abs=1e-6)


def test_three_wins_in_three_items_are_not_enough_and_ten_are():
    assert paired_interval([1] * 3).low < 0
    assert paired_interval([1] * 10).low > 0


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_wilson_holds_the_truth_in_about_95_of_100_samples(share):
    rng = random.Random(f"wilson {share}")
    rounds = [
        (wilson(sum(rng.random() < share for _ in range(60)), 60), share) for _ in range(ROUNDS)
    ]
    assert 0.93 <= coverage(rounds) <= 0.98


@pytest.mark.parametrize("alike", [0.0, 0.5, 1.0])
def test_a_means_interval_holds_the_truth_however_alike_an_items_two_verdicts_are(alike):
    rng = random.Random(f"mean {alike}")

    def item() -> float:
        first = rng.random() < 0.7
        second = first if rng.random() < alike else rng.random() < 0.7
        return (first + second) / 2

    rounds = [(mean_interval([item() for _ in range(60)]), 0.7) for _ in range(ROUNDS)]
    assert 0.93 <= coverage(rounds) <= 0.98


@pytest.mark.parametrize(("better", "worse"), [(0.3, 0.1), (0.05, 0.05), (0.5, 0.02)])
def test_a_paired_interval_holds_the_truth_in_about_95_of_100_samples(better, worse):
    rng = random.Random(f"paired {better} {worse}")
    rounds = [
        (
            paired_interval(rng.choices([1, -1, 0], [better, worse, 1 - better - worse], k=60)),
            better - worse,
        )
        for _ in range(ROUNDS // 4)
    ]
    assert 0.92 <= coverage(rounds) <= 0.985


def test_values_that_mean_something_else_are_refused():
    with pytest.raises(ValueError, match="between 0 and 2"):
        wilson(3, 2)
    with pytest.raises(ValueError, match="-1 successes in 2 trials"):
        wilson(-1, 2)
    with pytest.raises(ValueError, match=r"0, 0\.5 or 1"):
        mean_interval([0.25])
    with pytest.raises(ValueError, match="-1, 0 or 1"):
        paired_interval([2])
