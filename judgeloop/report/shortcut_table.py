"""The table of text-only rules that distinguish the answers of held-out pairs."""

from __future__ import annotations

from judgeloop.evaluation.statistics import wilson
from judgeloop.report.history import Estimate, LoopHistory
from judgeloop.schema import results
from judgeloop.schema.records import Record


class ShortcutRow(Record, frozen=True, kw_only=True):
    """One rule on the held-out pairs."""

    name: str
    guesses: int
    share: Estimate
    """Share of its guesses that are right; one half is uninformative."""
    informative: bool
    """Whether the interval excludes one half."""


def shortcut_rows(history: LoopHistory) -> list[ShortcutRow]:
    """Returns the rules' scores; the pairs are the same in all iterations."""
    held_out = next((item.held_out for item in history.iterations if item.held_out), None)
    if held_out is None:
        return []
    rows = []
    for name, found in held_out.manifest.expect(results.Scores).shortcuts.items():
        if found.guesses:
            likely = wilson(found.right, found.guesses)
            value = found.right / found.guesses
            rows.append(
                ShortcutRow(
                    name=name,
                    guesses=found.guesses,
                    share=Estimate(value=value, low=likely.low, high=likely.high),
                    informative=not likely.low <= 0.5 <= likely.high,
                )
            )
    return rows
