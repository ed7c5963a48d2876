"""The figures of one judge on one set of items."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from judgeloop.evaluation.bias import firsts, longer
from judgeloop.evaluation.clusters import FEWEST_CLUSTERS, share_interval
from judgeloop.evaluation.statistics import VERDICTS_PER_ITEM, mean_interval, wilson
from judgeloop.schema.records import Choice, ItemResult
from judgeloop.schema.scorecard import CategoryScore, Interval, Scorecard

K = TypeVar("K", bound=Any)
"""A sortable key of an item's outcome."""
Images = defaultdict[str, Counter[float]]
"""Number of items by accuracy (0, 0.5 or 1), for each image; an unknown image is empty."""


class Tally:
    """Adds up item results; its memory grows with the number of categories and images only."""

    def __init__(self) -> None:
        self._choices: Counter[Choice] = Counter()
        self._categories: defaultdict[str, Images] = defaultdict(lambda: defaultdict(Counter))
        self._probes: Counter[bool] = Counter()
        self._firsts: Images = defaultdict(Counter)
        self._longer: Images = defaultdict(Counter)
        self._consistent: Images = defaultdict(Counter)
        self._longer_is_better: Counter[bool] = Counter()

    def add(self, result: ItemResult) -> None:
        """Counts one item."""
        if result.identical:
            self._probes[result.clear] += 1
            return
        self._choices[result.chosen_first] += 1
        self._choices[result.rejected_first] += 1
        self._categories[result.category][result.image][result.accuracy] += 1
        self._consistent[result.image][float(result.clear)] += 1
        for images, verdicts in ((self._firsts, firsts(result)), (self._longer, longer(result))):
            if verdicts:
                images[result.image][sum(verdicts) / len(verdicts)] += 1
        if result.lengths and result.lengths[0] != result.lengths[1]:
            self._longer_is_better[result.lengths[0] > result.lengths[1]] += 1

    def scorecard(self) -> Scorecard:
        """Returns the figures of the items added so far."""
        overall: Images = defaultdict(Counter)
        for images in self._categories.values():
            for image, items in images.items():
                overall[image] += items
        score = _score(overall)
        decided = self._choices[Choice.A] + self._choices[Choice.B]
        undecided = self._choices[Choice.UNDECIDED]
        first = self._choices[Choice.A] / decided if decided else None
        preferred = _mean(_all(self._longer))
        consistent = _mean(_all(self._consistent))
        return Scorecard(
            n=score.n,
            accuracy=score.accuracy,
            accuracy_interval=widened(mean_interval(_all(overall).elements()), overall, float),
            both_orders=score.both_orders,
            both_orders_interval=score.both_orders_interval,
            first_position=first,
            first_position_interval=_around(first, self._firsts),
            undecided_verdicts=undecided,
            undecided=undecided / (VERDICTS_PER_ITEM * score.n) if score.n else 0.0,
            categories={name: _score(self._categories[name]) for name in sorted(self._categories)},
            consistency=consistent,
            consistency_interval=_around(consistent, self._consistent),
            longer=preferred,
            longer_interval=_around(preferred, self._longer),
            longer_is_better=_mean(self._longer_is_better),
            probes=self._probes.total(),
            clear_probes=self._probes[True],
        )


def scorecard(results: Iterable[ItemResult]) -> Scorecard:
    """Adds up item results in one pass."""
    tally = Tally()
    for result in results:
        tally.add(result)
    return tally.scorecard()


def _score(images: Mapping[str, Counter[float]]) -> CategoryScore:
    items = _all(images)
    n = items.total()
    if not n:
        return CategoryScore(0, 0.0, 0.0)
    total = sum(accuracy * count for accuracy, count in items.items())
    both = widened(wilson(items[1], n), images, lambda accuracy: float(accuracy == 1))
    return CategoryScore(n, total / n, items[1] / n, both)


def _mean(items: Mapping[Any, int]) -> float | None:
    n = sum(items.values())
    return sum(value * count for value, count in items.items()) / n if n else None


def _around(share: float | None, images: Mapping[str, Counter[float]]) -> Interval:
    """Returns the interval of a share of verdicts; in it an item counts once, by its verdicts."""
    if share is None:
        return Interval(0.0, 1.0)
    low, high = widened(mean_interval(_all(images).elements()), images, float)
    return Interval(min(low, share), max(high, share))


def _all(images: Mapping[str, Counter[float]]) -> Counter[float]:
    return sum(images.values(), Counter())


def widened(
    independent: Interval, images: Mapping[str, Counter[K]], value: Callable[[K], float]
) -> Interval:
    """Returns the 95 % interval of a mean over items, clustered by image.

    Args:
        independent: The interval of independent items. It is the result where each item has an
            image of its own, or where there are too few images to resample; else the result is the
            hull of it and of the bootstrap's.
        images: Number of items by outcome, for each image; an unknown image is empty.
        value: Returns the value to average for an outcome.
    """
    alone = images[""].total() if "" in images else 0
    clusters = len(images) - ("" in images) + alone
    if not FEWEST_CLUSTERS <= clusters < sum(items.total() for items in images.values()):
        return independent  # without a list of the items
    items = [
        (value(known), image or f"item {known} {number}")
        for image in sorted(images)
        for known in sorted(images[image])
        for number in range(images[image][known])
    ]
    values, names = zip(*items, strict=True)
    return share_interval(values, names, independent)
