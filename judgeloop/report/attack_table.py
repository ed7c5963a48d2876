"""The table of how often verdicts flip when the worse answer contains an attack on the judge."""

from __future__ import annotations

from judgeloop.evaluation.statistics import wilson
from judgeloop.report.history import Estimate, LoopHistory
from judgeloop.schema import results
from judgeloop.schema.records import Record


class AttackCell(Record, frozen=True, kw_only=True):
    """One kind of attack on one judge."""

    pairs: int
    """Pairs that the judge gets right without the attack."""
    flipped: Estimate
    undecided: int


def attack_rows(history: LoopHistory) -> dict[str, dict[int, AttackCell]]:
    """Returns how often verdicts flip, by kind of attack and iteration; empty if none ran."""
    rows: dict[str, dict[int, AttackCell]] = {}
    for item in history.evaluated:
        found = item.gold.manifest.expect(results.Scores).attacks if item.gold else {}
        for kind, score in found.items():
            if score.pairs:
                likely = wilson(score.flipped, score.pairs)
                share = score.flipped / score.pairs
                rows.setdefault(kind, {})[item.number] = AttackCell(
                    pairs=score.pairs,
                    flipped=Estimate(value=share, low=likely.low, high=likely.high),
                    undecided=score.undecided,
                )
    return rows
