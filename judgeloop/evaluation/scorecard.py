"""The figures of one judge on one set of items."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

import msgspec

from judgeloop.evaluation.statistics import (
    VERDICTS_PER_ITEM,
    Interval,
    mean_interval,
    wilson,
)
from judgeloop.schema.records import Choice, ItemResult


class CategoryScore(msgspec.Struct, frozen=True):
    """The figures of the items of one category."""

    n: int
    accuracy: float
    both_orders: float


class Scorecard(msgspec.Struct, frozen=True, kw_only=True):
    """How well a judge did. An undecided verdict counts as wrong (strict).

    Without any item the shares are 0 and the intervals 0 to 1.
    """

    n: int
    """Items; each was judged in both orders, so there are 2n verdicts."""
    accuracy: float
    """Mean over items of the share of the two orders that were judged right, 0..1."""
    accuracy_interval: Interval
    both_orders: float
    """Share of items that were judged right in both orders, 0..1."""
    both_orders_interval: Interval
    first_position: float | None
    """Share of the decided verdicts that chose the answer shown first: 0.5 without position bias.
    None where nothing was decided."""
    undecided_verdicts: int
    undecided: float
    """Share of all verdicts that are undecided, 0..1."""
    categories: dict[str, CategoryScore]
    """By category, sorted."""
    probes: int = 0
    """Items whose two answers are identical; they count in no figure above."""
    clear_probes: int = 0
    """Probes on which both orders prefer the same one of two identical answers."""

    def metrics(self) -> dict[str, float]:
        """Returns the figures by their names in manifests and MLflow; what is None is left out."""
        figures = {
            "accuracy": self.accuracy,
            "accuracy_low": self.accuracy_interval.low,
            "accuracy_high": self.accuracy_interval.high,
            "both_orders": self.both_orders,
            "both_orders_low": self.both_orders_interval.low,
            "both_orders_high": self.both_orders_interval.high,
            "undecided": self.undecided,
        }
        if self.first_position is not None:
            figures["first_position"] = self.first_position
        for name, score in self.categories.items():
            figures[f"accuracy/{name}"] = score.accuracy
            figures[f"both_orders/{name}"] = score.both_orders
        return figures

    def counts(self) -> dict[str, int]:
        """Returns the numbers of items and of undecided verdicts behind the figures."""
        by_category = {f"n/{name}": score.n for name, score in self.categories.items()}
        probes = {"probes": self.probes, "clear_probes": self.clear_probes} if self.probes else {}
        return {"n": self.n, "undecided_verdicts": self.undecided_verdicts} | probes | by_category


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
