"""The table of text-only rules that tell the answers of held-out pairs apart."""

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
    """Of its guesses that are right; one half tells nothing."""
    telling: bool
    """Whether the interval leaves one half out."""


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
                    telling=not likely.low <= 0.5 <= likely.high,
                )
            )
    return rows
