"""A judge's figures on one set of pairs, with their intervals."""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class Interval(NamedTuple):
    """A 95 % confidence interval."""

    low: float
    high: float


class CategoryScore(msgspec.Struct, frozen=True):
    """The figures of the items of one category."""

    n: int
    accuracy: float
    both_orders: float
    both_orders_interval: Interval = Interval(0.0, 1.0)
    """Clustered by image; 0 to 1 (no information) in results of an earlier version."""


class Scorecard(msgspec.Struct, frozen=True, kw_only=True):
    """How well a judge did. An undecided verdict counts as wrong (strict).

    Without any item the shares are 0 and the intervals 0 to 1. Intervals are clustered by image:
    none is narrower than that of independent items.
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
    None if nothing was decided."""
    first_position_interval: Interval = Interval(0.0, 1.0)
    """0 to 1 (no information) where nothing is decided and in results of earlier versions."""
    consistency: float | None = None
    """Share of items on which both orders prefer the same answer; None without any item, and in
    results of earlier versions."""
    consistency_interval: Interval = Interval(0.0, 1.0)
    longer: float | None = None
    """Share of the clear verdicts that prefer the longer answer; `longer_is_better` is the share of
    items whose better answer is the longer one."""
    longer_interval: Interval = Interval(0.0, 1.0)
    longer_is_better: float | None = None
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
        """Returns the figures by their names in MLflow; what is None is left out."""
        figures = (
            _with_ends("accuracy", self.accuracy, self.accuracy_interval)
            | _with_ends("both_orders", self.both_orders, self.both_orders_interval)
            | {"undecided": self.undecided}
            | _with_ends("first_position", self.first_position, self.first_position_interval)
            | _with_ends("consistency", self.consistency, self.consistency_interval)
            | _with_ends("longer", self.longer, self.longer_interval)
            | ({} if self.longer_is_better is None else {"longer_is_better": self.longer_is_better})
        )
        for name, score in self.categories.items():
            figures[f"accuracy/{name}"] = score.accuracy
            figures[f"both_orders/{name}"] = score.both_orders
            figures[f"both_orders_low/{name}"] = score.both_orders_interval.low
            figures[f"both_orders_high/{name}"] = score.both_orders_interval.high
        return figures

    def counts(self) -> dict[str, int]:
        """Returns the numbers of items and of undecided verdicts behind the figures."""
        by_category = {f"n/{name}": score.n for name, score in self.categories.items()}
        probes = {"probes": self.probes, "clear_probes": self.clear_probes} if self.probes else {}
        return {"n": self.n, "undecided_verdicts": self.undecided_verdicts} | probes | by_category


def _with_ends(name: str, value: float | None, interval: Interval) -> dict[str, float]:
    if value is None:
        return {}
    return {name: value, f"{name}_low": interval.low, f"{name}_high": interval.high}
