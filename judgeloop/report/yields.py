"""How many questions gave a pair, by what was tried, and why others did not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from judgeloop.report.history import LoopHistory
from judgeloop.schema.counts import PAIR
from judgeloop.schema.records import Record


class Yield(Record, frozen=True, kw_only=True):
    """The outcomes of the questions for which one construction was tried."""

    tried: str
    """Kind of question, and the kind of error, `vote`, or `answer` where no error was drawn."""
    questions: int
    pairs: int
    reasons: dict[str, int]
    """Questions that gave no pair, by reason, the most frequent first."""


def yields(history: LoopHistory) -> list[Yield]:
    """Returns the yields of a loop's pairs, training and held-out ones together, by name."""
    total: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for task in history.tasks:
        if task.stage in ("synthesize", "hold_out") and task.manifest:
            for tried, outcomes in task.manifest.counted.outcomes.items():
                total[tried].update(outcomes)
    return read_yields(total)


def read_yields(outcomes: Mapping[str, Mapping[str, int]]) -> list[Yield]:
    """Returns the yields, given counts of questions by what was tried and the outcome."""
    return [
        Yield(
            tried=tried,
            questions=sum(found.values()),
            pairs=found.get(PAIR, 0),
            reasons={
                name: count
                for name, count in sorted(found.items(), key=lambda item: (-item[1], item[0]))
                if name != PAIR
            },
        )
        for tried, found in sorted(outcomes.items())
    ]
