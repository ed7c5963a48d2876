"""Kept pairs of each iteration (Figure 3 of the paper), and why the others were lost."""

from __future__ import annotations

from collections.abc import Iterator

from judgeloop.evaluation.statistics import wilson
from judgeloop.report.history import Estimate, Iteration, LoopHistory
from judgeloop.schema.records import Record
from judgeloop.schema.results import KindFunnel

ALL = "all"


class Loss(Record, frozen=True, kw_only=True):
    """The pairs of one iteration and one group: what was kept, and the rest by reason."""

    iteration: int
    group: str
    """`kind: <kind of question>`, `error: <planted error>` or `attack: <planted attack>`."""
    pairs: int
    kept: int
    share: Estimate
    reasons: dict[str, int]
    """The most frequent first; with `kept` they add up to `pairs`."""


def retention(history: LoopHistory) -> dict[str, dict[int, Estimate]]:
    """Returns the kept share by kind of question, and under `ALL`, by iteration.

    Intervals are Wilson's, at 95 %.
    """
    found: dict[str, dict[int, Estimate]] = {}
    for item in history.iterations:
        funnel = item.filtered
        if funnel is None:
            continue
        groups = {**funnel.kinds, ALL: KindFunnel(pairs=funnel.pairs, kept=funnel.kept)}
        for name, group in groups.items():
            if group.pairs:
                found.setdefault(name, {})[item.number] = _share(group)
    return found


def losses(history: LoopHistory) -> list[Loss]:
    """Returns kept and lost pairs, by iteration, kind of question and planted error."""
    return [loss for item in history.iterations for loss in _of_iteration(item)]


def _of_iteration(item: Iteration) -> Iterator[Loss]:
    if item.filtered is None:
        return
    funnel = item.filtered
    groups = {"kind": funnel.kinds, "error": funnel.errors, "attack": funnel.attacks}
    for what, found in groups.items():
        for name, group in found.items():
            yield Loss(
                iteration=item.number,
                group=f"{what}: {name}",
                pairs=group.pairs,
                kept=group.kept,
                share=_share(group),
                reasons=dict(sorted(group.lost.items(), key=lambda each: (-each[1], each[0]))),
            )


def _share(group: KindFunnel) -> Estimate:
    likely = wilson(group.kept, group.pairs)
    return Estimate(value=group.kept / group.pairs, low=likely.low, high=likely.high)
