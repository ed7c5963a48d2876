"""The summary of a loop: for machines as a dictionary, for a terminal as a table."""

from __future__ import annotations

from typing import Any

from judgeloop.report.history import Estimate, Iteration, LoopHistory

NONE = "–"
"""Placeholder for a missing figure."""


def summary(history: LoopHistory) -> dict[str, Any]:
    """Returns the figures of every evaluated iteration and how the loop ended.

    Shares are in 0..1, intervals are 95 %, `n` counts gold pairs, `undecided` is the share of the
    2n judgements without a verdict. `kept_share` is None for iteration 0, which has no filtering.
    """
    return {
        "iterations": [_row(item) for item in history.evaluated],
        "champion_version": history.champion_version,
        "stopped_because": history.stopped_because,
    }


def _row(item: Iteration) -> dict[str, Any]:
    gold, held_out = item.gold, item.held_out
    if gold is None:
        return {}
    return {
        "iteration": item.number,
        "accuracy": gold.accuracy.value,
        "accuracy_low": gold.accuracy.low,
        "accuracy_high": gold.accuracy.high,
        "both_orders": gold.both_orders.value,
        "both_orders_low": gold.both_orders.low,
        "both_orders_high": gold.both_orders.high,
        "first_position": gold.first_position,
        "undecided": gold.undecided,
        "kept_share": item.kept_share,
        "n": gold.n,
        "validation_both_orders": held_out.both_orders.value if held_out else None,
        "decision": item.decision,
    }


def table(history: LoopHistory) -> str:
    """Returns a plain text table: one row per iteration, the baselines below, and how it ended."""
    header = ("iteration", "n", "undecided", "accuracy [95 %]", "both orders [95 %]")
    rows: list[tuple[str, ...]] = [(*header, "first", "kept", "decision")]
    rows += [_iteration_row(item) for item in history.iterations]
    rows += [
        (
            *(base.name, str(base.n), NONE),
            *(interval(base.accuracy), interval(base.both_orders)),
            *(NONE, NONE, "baseline"),
        )
        for base in history.baselines
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header) + 3)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    if history.evaluated:
        lines.append("Gold pairs, each judged in both orders; undecided counts as wrong.")
    if history.stopped_because:
        lines.append(f"Stopped: {history.stopped_because}")
    if history.promotion:
        lines.append(f"Champion: {history.champion_version or 'none'}")
    return "\n".join(lines)


def _iteration_row(item: Iteration) -> tuple[str, ...]:
    name = "0 (start)" if item.number == 0 else str(item.number)
    kept, decision = share(item.kept_share), item.decision or NONE
    if item.gold is None:
        return (name, NONE, NONE, NONE, NONE, NONE, kept, decision)
    return (
        name,
        str(item.gold.n),
        str(item.gold.undecided_count),
        interval(item.gold.accuracy),
        interval(item.gold.both_orders),
        share(item.gold.first_position),
        kept,
        decision,
    )


def interval(estimate: Estimate | None) -> str:
    """Writes a share with its interval, such as `0.747 [0.695, 0.793]`, or a dash."""
    if estimate is None:
        return NONE
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def share(value: float | None) -> str:
    """Writes a share with three digits, or a dash."""
    return NONE if value is None else f"{value:.3f}"
