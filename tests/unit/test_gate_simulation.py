"""The gate under chance, by a reduced simulation with fixed seeds (`benchmarks/gate.py`)."""

import pytest

from benchmarks.gate import GAINS, NO_DIFFERENCE, Case, promotion_rate

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("case", NO_DIFFERENCE, ids=lambda case: case.name)
def test_at_most_five_percent_are_promoted_where_there_is_no_difference(case: Case) -> None:
    assert promotion_rate(case, 100, runs=200) <= 0.05
    assert promotion_rate(case, 500, runs=120) <= 0.05
    assert promotion_rate(case, 100, runs=60, clustered=True) <= 0.05


def test_a_real_gain_is_seen_the_more_often_the_larger_it_and_the_sample_are() -> None:
    by_gain = [promotion_rate(case, 100, runs=60) for case in GAINS]
    assert by_gain == sorted(by_gain)
    assert by_gain[-1] > 0.8
    assert promotion_rate(GAINS[1], 500, runs=40) > 0.9
