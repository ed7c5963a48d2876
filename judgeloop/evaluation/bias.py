"""A judge's biases: how often it decides, and which answers it prefers regardless of quality.

Each share has an interval. Two verdicts on one item depend on each other, and so do items about one
image: an item counts once, by the share of its verdicts, and the bootstrap resamples whole images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from judgeloop.evaluation.clusters import share_interval
from judgeloop.evaluation.statistics import mean_interval
from judgeloop.schema.records import Choice, ItemResult
from judgeloop.schema.scorecard import Interval


class Share(NamedTuple):
    """A share of 0..1 with its 95 % interval."""

    value: float
    interval: Interval


def undecided(results: Sequence[ItemResult]) -> Share | None:
    """Returns the share of all verdicts that are undecided."""
    counted = [(each, [one is Choice.UNDECIDED for one in _choices(each)]) for each in results]
    return _share(counted)


def decided_only(results: Sequence[ItemResult]) -> Share | None:
    """Returns the share of the decided verdicts that are right."""
    return _share([(each, _right(each)) for each in results])


def first_position(results: Sequence[ItemResult]) -> Share | None:
    """Returns the share of the decided verdicts for the answer shown first."""
    return _share([(each, firsts(each)) for each in results])


def longer_preference(results: Sequence[ItemResult]) -> Share | None:
    """Returns the share of the items with a clear verdict on which the longer answer is preferred.

    Items whose answers are of unknown or equal lengths do not count.
    """
    return _share([(each, longer(each)) for each in results])


def consistency(results: Sequence[ItemResult]) -> Share | None:
    """Returns the share of the items on which both orders prefer the same response."""
    return _share([(each, [each.clear]) for each in results])


BIAS_SHARES: dict[str, Callable[[Sequence[ItemResult]], Share | None]] = {
    "undecided": undecided,
    "decided_only": decided_only,
    "consistency": consistency,
    "first_position": first_position,
    "longer": longer_preference,
}
"""The shares, by their names in figures."""


def longer_is_better(results: Sequence[ItemResult]) -> float | None:
    """Returns the share of the items of unequal lengths whose longer answer is the better one."""
    lengths = [result.lengths for result in results if result.lengths]
    found = [chosen > rejected for chosen, rejected in lengths if chosen != rejected]
    return sum(found) / len(found) if found else None


def firsts(result: ItemResult) -> list[bool]:
    """Returns for each decided verdict on an item whether it is for the answer shown first."""
    return [one is Choice.A for one in _choices(result) if one is not Choice.UNDECIDED]


def longer(result: ItemResult) -> list[bool]:
    """Returns whether the clear verdict on an item is for the longer answer; empty without one."""
    if not result.clear or not result.lengths or result.lengths[0] == result.lengths[1]:
        return []
    return [result.both_orders == (result.lengths[0] > result.lengths[1])]


def clustered_share(counted: Sequence[tuple[Sequence[bool], str]]) -> Share | None:
    """Returns a share of all verdicts with its interval; None if there are no verdicts.

    Args:
        counted: One or two verdicts of each item, and its cluster, the image.
    """
    some = [(verdicts, cluster) for verdicts, cluster in counted if verdicts]
    if not some:
        return None
    flat = [one for verdicts, _ in some for one in verdicts]
    value = sum(flat) / len(flat)
    means = [sum(verdicts) / len(verdicts) for verdicts, _ in some]
    low, high = share_interval(means, [cluster for _, cluster in some], mean_interval(means))
    # Only in the interval an item with one decided verdict weighs as much as one with two.
    return Share(value, Interval(min(low, value), max(high, value)))


def _share(counted: Sequence[tuple[ItemResult, list[bool]]]) -> Share | None:
    return clustered_share([(verdicts, one.image or one.item_id) for one, verdicts in counted])


def _choices(result: ItemResult) -> tuple[Choice, Choice]:
    return result.chosen_first, result.rejected_first


def _right(result: ItemResult) -> list[bool]:
    """Returns for each decided verdict on an item whether it is right."""
    return [
        one is right
        for one, right in zip(_choices(result), (Choice.A, Choice.B), strict=True)
        if one is not Choice.UNDECIDED
    ]
