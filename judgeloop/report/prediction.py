"""How well scores on held-out synthetic pairs predict scores on gold pairs, over iterations."""

from __future__ import annotations

from judgeloop.report.history import LoopHistory
from judgeloop.schema.records import Record

FEWEST = 3
"""Minimum number of iterations for a rank correlation."""


class Prediction(Record, frozen=True, kw_only=True):
    """The loss from choosing by validation, in both-order accuracy on gold."""

    points: tuple[tuple[int, float, float], ...]
    """Iteration, validation, gold."""
    chosen: int
    """The iteration with the best validation, the earlier of two."""
    best: int
    """The iteration that is best on gold, the earlier of two."""
    lost: float
    """Gold of `best` minus gold of `chosen`."""
    correlation: float | None
    """Spearman's rank correlation; None if it is undefined or there are too few iterations."""

    @property
    def text(self) -> str:
        """Returns the comparison in a sentence or two."""
        said = f"By validation the best judge is that of iteration {self.chosen}"
        if self.chosen == self.best:
            said += ", and on gold pairs too."
        else:
            said += f"; on gold pairs it is that of iteration {self.best}, {self.lost:.3f} better."
        if self.correlation is not None:
            said += f" Rank correlation over {len(self.points)} models: {self.correlation:.2f}."
        return said


def prediction(history: LoopHistory) -> Prediction | None:
    """Compares validation with gold; None where fewer than two models have both."""
    points = tuple(
        (item.number, item.held_out.both_orders.value, item.gold.both_orders.value)
        for item in history.iterations
        if item.gold and item.held_out
    )
    if len(points) < 2:
        return None
    chosen = max(points, key=lambda point: (point[1], -point[0]))
    best = max(points, key=lambda point: (point[2], -point[0]))
    return Prediction(
        points=points,
        chosen=chosen[0],
        best=best[0],
        lost=best[2] - chosen[2],
        correlation=_spearman([point[1] for point in points], [point[2] for point in points]),
    )


def _spearman(one: list[float], other: list[float]) -> float | None:
    if len(one) < FEWEST or len(set(one)) == 1 or len(set(other)) == 1:
        return None
    from scipy.stats import spearmanr

    return float(spearmanr(one, other).statistic)
