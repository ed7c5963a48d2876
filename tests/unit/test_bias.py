"""A judge's biases: what share, of what, and how surely."""

from itertools import product

import numpy as np
import pytest

from judgeloop.evaluation.bias import (
    clustered_share,
    consistency,
    decided_only,
    first_position,
    longer_preference,
    undecided,
)
from judgeloop.evaluation.scorecard import scorecard
from judgeloop.evaluation.statistics import mean_interval, wilson
from judgeloop.schema.records import Choice, ItemResult

A, B, NONE = Choice.A, Choice.B, Choice.UNDECIDED
RIGHT, WRONG, FIRST, SILENT = (A, B), (B, A), (A, A), (NONE, NONE)


def items(
    verdicts: list[tuple[Choice, Choice]], lengths: tuple[int, int] = (9, 5), image: int = 0
) -> list[ItemResult]:
    """Items of which `image` at a time show one image; with 0 each has its own."""
    return [
        ItemResult(item_id=str(at), category="x", chosen_first=first, rejected_first=second,
                   lengths=lengths, image=str(at // image) if image else "")
        for at, (first, second) in enumerate(verdicts)
    ]  # fmt: skip


def test_each_bias_is_a_share_of_its_own_kind_of_verdicts() -> None:
    judged = items([RIGHT] * 30 + [FIRST] * 10 + [(A, NONE)] * 20 + [SILENT] * 40)
    shares = [measure(judged) for measure in (undecided, first_position, decided_only, consistency,
                                          longer_preference)]  # fmt: skip
    # verdicts: 100 decided of 200; of these 30 + 20 + 20 for the first, 60 + 10 + 20 right
    assert [share and share.value for share in shares] == [0.5, 0.7, 0.9, 0.3, 1]
    for share in shares:
        assert share
        assert 0 <= share.interval.low <= share.value <= share.interval.high <= 1
        assert share.interval.low < share.interval.high


def test_what_nothing_was_decided_on_has_no_share() -> None:
    silent = items([SILENT] * 20)
    assert first_position(silent) is None
    assert decided_only(silent) is None
    assert longer_preference(silent) is None
    assert longer_preference(items([RIGHT], lengths=(4, 4))) is None
    assert undecided([]) is None


def test_two_verdicts_on_an_item_are_not_two_items() -> None:
    """Who goes by position alone says the same twice: 50 items are 50 trials and not 100."""
    share = first_position(items([FIRST] * 30 + [(B, B)] * 20))
    assert share
    assert share.interval == pytest.approx(wilson(30, 50))


def test_items_about_one_image_widen_the_interval() -> None:
    verdicts = [RIGHT] * 60 + [WRONG] * 60
    alone, shared = (longer_preference(items(verdicts, image=size)) for size in (0, 10))
    assert alone
    assert shared
    widths = [share.interval.high - share.interval.low for share in (alone, shared)]
    assert widths[1] > 2 * widths[0]


def test_the_scorecard_has_the_same_shares() -> None:
    for size, verdicts in product((0, 4), ([RIGHT] * 30 + [FIRST] * 20, [(A, NONE), WRONG] * 30)):
        judged = items(verdicts, image=size)
        card, first, longer = scorecard(judged), first_position(judged), longer_preference(judged)
        assert first
        assert longer
        assert card.first_position == pytest.approx(first.value)
        assert card.longer == pytest.approx(longer.value)
        assert card.longer_is_better == 1
        consistent = consistency(judged)
        assert consistent
        assert card.consistency == pytest.approx(consistent.value)
        assert card.metrics()["consistency"] == card.consistency
        assert card.first_position_interval == pytest.approx(first.interval, abs=0.01)
        assert card.longer_interval == pytest.approx(longer.interval, abs=0.01)


def test_an_interval_holds_the_figure_where_items_have_one_verdict_or_two() -> None:
    found = clustered_share([([True, True], str(at)) for at in range(400)]
                            + [([False], str(at)) for at in range(400, 800)])  # fmt: skip
    assert found
    assert found.value == 2 / 3
    assert found.interval.low == pytest.approx(mean_interval([1] * 400 + [0] * 400).low)
    assert found.interval.high == found.value


def test_an_intervals_coverage_is_about_95_of_100() -> None:
    generator = np.random.default_rng(3)
    held, runs, n = 0, 400, 80
    for _ in range(runs):
        position = generator.random(n) < 0.4  # goes by position there, four times in five the first
        first = generator.random(n) < 0.8
        verdicts = [
            (FIRST if one else (B, B)) if by else RIGHT
            for by, one in zip(position, first, strict=True)
        ]
        share = first_position(items(verdicts))
        assert share
        held += share.interval.low <= 0.5 + 0.4 * (0.8 - 0.5) <= share.interval.high
    assert 0.92 <= held / runs <= 0.98
