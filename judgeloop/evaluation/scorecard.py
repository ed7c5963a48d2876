"""The figures of one judge on one set of items."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping

from judgeloop.evaluation.comparison import FEWEST_CLUSTERS, clustered_interval
from judgeloop.evaluation.statistics import VERDICTS_PER_ITEM, mean_interval, wilson
from judgeloop.schema.records import Choice, ItemResult
from judgeloop.schema.results import CategoryScore, Interval, Scorecard

Images = defaultdict[str, Counter[float]]
"""Number of items by their accuracy (0, 0.5 or 1), by image; empty where it is not known."""


class Tally:
    """Adds up item results; its memory grows with the number of categories and images only."""

    def __init__(self) -> None:
        self._choices: Counter[Choice] = Counter()
        self._categories: defaultdict[str, Images] = defaultdict(lambda: defaultdict(Counter))
        self._probes: Counter[bool] = Counter()

    def add(self, result: ItemResult) -> None:
        """Counts one item."""
        if result.identical:
            self._probes[result.clear] += 1
            return
        self._choices[result.chosen_first] += 1
        self._choices[result.rejected_first] += 1
        self._categories[result.category][result.image][result.accuracy] += 1

    def scorecard(self) -> Scorecard:
        """Returns the figures of what was added so far."""
        overall: Images = defaultdict(Counter)
        for images in self._categories.values():
            for image, items in images.items():
                overall[image] += items
        score = _score(overall)
        decided = self._choices[Choice.A] + self._choices[Choice.B]
        undecided = self._choices[Choice.UNDECIDED]
        return Scorecard(
            n=score.n,
            accuracy=score.accuracy,
            accuracy_interval=_widened(mean_interval(_all(overall).elements()), overall),
            both_orders=score.both_orders,
            both_orders_interval=score.both_orders_interval,
            first_position=self._choices[Choice.A] / decided if decided else None,
            undecided_verdicts=undecided,
            undecided=undecided / (VERDICTS_PER_ITEM * score.n) if score.n else 0.0,
            categories={name: _score(self._categories[name]) for name in sorted(self._categories)},
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
    both = _widened(wilson(items[1], n), images, lambda accuracy: float(accuracy == 1))
    return CategoryScore(n, total / n, items[1] / n, both)


def _all(images: Mapping[str, Counter[float]]) -> Counter[float]:
    return sum(images.values(), Counter())


def _widened(
    independent: Interval,
    images: Mapping[str, Counter[float]],
    value: Callable[[float], float] = float,
) -> Interval:
    """Returns the 95 % interval of a mean over items, clustered by image.

    Args:
        independent: The interval of independent items. It is the result where each item has an
            image of its own, or where there are too few images to draw from; else the result is
            the hull of it and of the bootstrap's.
        images: The items.
        value: What is averaged, of an item's accuracy.
    """
    alone = images[""].total() if "" in images else 0
    clusters = len(images) - ("" in images) + alone
    if not FEWEST_CLUSTERS <= clusters < _all(images).total():
        return independent
    items = [
        (value(accuracy), image or f"item {accuracy} {number}")
        for image in sorted(images)
        for accuracy in sorted(images[image])
        for number in range(images[image][accuracy])
    ]
    values, names = zip(*items, strict=True)
    dependent = clustered_interval(values, names)
    return Interval(min(independent.low, dependent.low), max(independent.high, dependent.high))
