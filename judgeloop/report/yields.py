"""How many pairs were made of the questions, by what was tried, and why others were not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from judgeloop.report.story import Story
from judgeloop.schema.records import Record

YIELD = "yield/"
"""How the counts begin, in manifests of pairs: `yield/<what was tried>/<outcome>`."""
KEPT = "pair"
"""The outcome of a question that gave a pair."""


class Yield(Record, frozen=True, kw_only=True):
    """What became of the questions for which one thing was tried."""

    tried: str
    """Kind of question, and the kind of error, `vote`, or `answer` where no error was drawn."""
    questions: int
    pairs: int
    reasons: dict[str, int]
    """Questions that gave no pair, by reason, the most frequent first."""


def yields(story: Story) -> list[Yield]:
    """Returns the yields of a loop's pairs, training and held-out ones together, by name."""
    total: Counter[str] = Counter()
    for task in story.tasks:
        if task.stage in ("synthesize", "hold_out") and task.manifest:
            total.update(task.manifest.counts)
    return read_yields(total)


def read_yields(counts: Mapping[str, int]) -> list[Yield]:
    """Reads the yields from a manifest's counts."""
    found: dict[str, Counter[str]] = {}
    for name, count in counts.items():
        if name.startswith(YIELD):
            tried, _, outcome = name.removeprefix(YIELD).rpartition("/")
            found.setdefault(tried, Counter())[outcome] += count
    return [
        Yield(
            tried=tried,
            questions=outcomes.total(),
            pairs=outcomes.pop(KEPT, 0),
            reasons=dict(sorted(outcomes.items(), key=lambda item: (-item[1], item[0]))),
        )
        for tried, outcomes in sorted(found.items())
    ]
