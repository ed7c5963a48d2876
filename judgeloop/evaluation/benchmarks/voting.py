"""The gain of voting over several samples of one order, and the calibration of the votes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from judgeloop.evaluation.benchmarks.base import Benchmark, Output, choice
from judgeloop.schema.records import Choice

FEWEST = 3
"""Minimum number of samples of an order for a vote: with two, a majority is unanimity."""
EDGES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Upper edges of the bins of confidence, which is the share of the samples for the majority."""


def voting(benchmark: Benchmark, outputs: Sequence[Output]) -> dict[str, Any] | None:
    """Compares a majority vote over the samples of an order with a single sample.

    Returns:
        `samples` (the largest number per order), `orders` with at least `FEWEST`, `single` and
        `majority` (shares of right verdicts, undecided is wrong), their difference `gain`, and by
        confidence of the vote `calibration` with the mean distance of confidence and accuracy,
        `expected_calibration_error`, over decided votes. None if no order has that many samples.
    """
    asked: defaultdict[tuple[str, bool], Counter[Choice]] = defaultdict(Counter)
    for output in outputs:
        if output.text is not None:
            chosen = choice(benchmark, output.text)
            asked[output.item, output.chosen_first][chosen] += 1
    several = {order: votes for order, votes in asked.items() if votes.total() >= FEWEST}
    if not several:
        return None
    single = right = 0.0
    bins: dict[float, list[tuple[float, bool]]] = {edge: [] for edge in EDGES}
    for (_, chosen_first), votes in several.items():
        truth = Choice.A if chosen_first else Choice.B
        single += votes[truth] / votes.total()
        winner, most = votes.most_common(1)[0]
        share = most / votes.total()
        if share <= 0.5 or winner is Choice.UNDECIDED:
            continue
        right += winner is truth
        bins[next(edge for edge in EDGES if share <= edge)].append((share, winner is truth))
    found = {edge: cells for edge, cells in bins.items() if cells}
    decided = sum(len(cells) for cells in found.values())
    rows = [
        {
            "confidence": sum(share for share, _ in cells) / len(cells),
            "votes": len(cells),
            "right": sum(good for _, good in cells) / len(cells),
        }
        for cells in found.values()
    ]
    error = sum(row["votes"] * abs(row["confidence"] - row["right"]) for row in rows)
    return {
        "samples": max(votes.total() for votes in several.values()),
        "orders": len(several),
        "single": single / len(several),
        "majority": right / len(several),
        "gain": (right - single) / len(several),
        "calibration": rows,
        "expected_calibration_error": error / decided if decided else None,
    }
