"""The floors of a judge: text-only baselines that it must beat, whatever its opponent.

The gate, the loop's choice of its best version, and the start from a champion all use them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeVar

from judgeloop.evaluation.baselines import BASELINES, blind_result
from judgeloop.evaluation.scorecard import widened
from judgeloop.evaluation.statistics import mean_interval, paired_interval, wilson
from judgeloop.schema.records import ItemResult
from judgeloop.schema.results import Check

N = TypeVar("N", int, float)
COIN_BOTH_ORDERS = 0.25
"""Both-order accuracy of an unbiased coin, flipped for each order."""
CHANCE = 0.5
"""Accuracy by single verdict of a coin, and of a judge that always says the same."""


class _Outcome(NamedTuple):
    """The figures of an item that the checks use."""

    both_orders: int
    accuracy: float
    differences: tuple[int, ...]
    """Its both-order accuracy minus that of each baseline."""


_Images = dict[str, Counter[_Outcome]]


def floors(results: Iterable[ItemResult]) -> tuple[Check, ...]:
    """Compares a judge with every blind baseline on its own items, by 95 % lower bounds.

    Bounds are clustered by image, like those of all other figures.

    Args:
        results: The judge's results, in any order. Iterated once, not kept; probes don't count.

    Returns:
        A check for each baseline, for an unbiased coin on both orders, and for chance on single
        verdicts.

    Raises:
        DataError: A result does not hold the lengths of the answers.
    """
    tally = FloorTally()
    for result in results:
        tally.add(result)
    return tally.checks()


class FloorTally:
    """Adds up item results for the checks of `floors`; its memory grows with the images only."""

    def __init__(self) -> None:
        self._images: _Images = {}

    def add(self, result: ItemResult) -> None:
        """Counts one item; a probe does not count.

        Raises:
            DataError: The result does not hold the lengths of the answers.
        """
        if result.identical:
            return
        both = int(result.both_orders)
        blind = (blind_result(result, rule).both_orders for rule in BASELINES.values())
        known = _Outcome(both, result.accuracy, tuple(both - each for each in blind))
        self._images.setdefault(result.image, Counter())[known] += 1

    def checks(self) -> tuple[Check, ...]:
        """Returns the checks of the items added so far, as `floors` does."""
        paired = [_against(name, self._images, at) for at, name in enumerate(BASELINES)]
        return (*paired, _against_coin(self._images), _against_chance(self._images))


def failed(checks: Iterable[Check]) -> str:
    """Returns the texts of the conditions that don't hold; empty if all hold."""
    return "; ".join(check.text for check in checks if not check.holds)


def _against(name: str, images: _Images, at: int) -> Check:
    def difference(known: _Outcome) -> int:
        return known.differences[at]

    counts = _counted(images, difference)
    interval = widened(paired_interval(counts.elements()), images, difference)
    return Check(
        name=f"blind/{name}",
        holds=interval.low > 0,
        text=f"both-order accuracy differs by {_mean(counts):+.3f} ({interval.low:+.3f} to "
        f"{interval.high:+.3f}) from that of the blind baseline `{name.replace('_', ' ')}`",
    )


def _against_coin(images: _Images) -> Check:
    counts = _counted(images, lambda known: known.both_orders)
    alone = wilson(counts[1], counts.total())
    low = widened(alone, images, lambda known: known.both_orders).low
    return Check(
        name="blind/coin",
        holds=low > COIN_BOTH_ORDERS,
        text=f"both-order accuracy {_mean(counts):.3f}, at least {low:.3f}, against "
        f"{COIN_BOTH_ORDERS} of an unbiased coin",
    )


def _against_chance(images: _Images) -> Check:
    counts = _counted(images, lambda known: known.accuracy)
    low = widened(mean_interval(counts.elements()), images, lambda known: known.accuracy).low
    return Check(
        name="blind/chance",
        holds=low > CHANCE,
        text=f"accuracy by single verdict {_mean(counts):.3f}, at least {low:.3f}, against "
        f"{CHANCE} of chance",
    )


def _counted(images: _Images, value: Callable[[_Outcome], N]) -> Counter[N]:
    counts: Counter[N] = Counter()
    for items in images.values():
        for known, number in items.items():
            counts[value(known)] += number
    return counts


def _mean(counts: Mapping[N, int]) -> float:
    n = sum(counts.values())
    return sum(value * number for value, number in counts.items()) / n if n else 0.0
