"""The figures of one judge on one set of items."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from judgeloop.evaluation.statistics import VERDICTS_PER_ITEM, mean_interval, wilson
from judgeloop.schema.records import Choice, ItemResult
from judgeloop.schema.results import CategoryScore, Scorecard


class Tally:
    """Adds up item results; its memory grows with the number of categories only."""

    def __init__(self) -> None:
        self._choices: Counter[Choice] = Counter()
        self._categories: defaultdict[str, Counter[float]] = defaultdict(Counter)
        self._probes: Counter[bool] = Counter()

    def add(self, result: ItemResult) -> None:
        """Counts one item."""
        if result.identical:
            self._probes[result.clear] += 1
            return
        self._choices[result.chosen_first] += 1
        self._choices[result.rejected_first] += 1
        self._categories[result.category][result.accuracy] += 1

    def scorecard(self) -> Scorecard:
        """Returns the figures of what was added so far."""
        overall: Counter[float] = sum(self._categories.values(), Counter())
        score = _score(overall)
        decided = self._choices[Choice.A] + self._choices[Choice.B]
        undecided = self._choices[Choice.UNDECIDED]
        return Scorecard(
            n=score.n,
            accuracy=score.accuracy,
            accuracy_interval=mean_interval(overall.elements()),
            both_orders=score.both_orders,
            both_orders_interval=wilson(overall[1], score.n),
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


def _score(items: Counter[float]) -> CategoryScore:
    """Makes a score of the number of items by their accuracy (0, 0.5 or 1)."""
    n = items.total()
    if not n:
        return CategoryScore(0, 0.0, 0.0)
    total = sum(accuracy * count for accuracy, count in items.items())
    return CategoryScore(n, total / n, items[1] / n)
