"""A judge's biases: how often it decides, and which answers it prefers regardless of quality.

A judge that has learned only the verdict format returns fewer undecided verdicts at the same
accuracy on the decided ones. Position, length and authorship do not indicate quality.
"""

from __future__ import annotations

from collections.abc import Mapping

from judgeloop.report.history import Estimate, LoopHistory
from judgeloop.report.history import Scores as Gold
from judgeloop.schema.records import Record
from judgeloop.schema.results import Scores
from judgeloop.schema.scorecard import Interval

GOLD = "gold pairs"


class BiasRow(Record, frozen=True, kw_only=True):
    """A judge's biases on one set; shares of 0..1, None where there is no figure."""

    name: str
    """Name of the set."""
    iteration: int
    undecided: float | None
    """Share of all verdicts that are undecided."""
    decided_only: float | None
    """Accuracy of the decided verdicts."""
    consistency: float | None = None
    """Share of items on which both orders prefer the same response."""
    first_position: Estimate | None
    longer: Estimate | None = None
    """Share of the clear verdicts that prefer the longer answer."""
    longer_is_better: float | None = None
    own: Estimate | None = None
    """Share of the clear verdicts, on an answer of the judge's base and one of another model, that
    prefer the base's."""
    own_is_better: float | None = None
    voting_gain: float | None = None
    """Right verdicts by majority of the samples minus right verdicts of a single sample."""
    calibration_error: float | None = None
    """Expected difference between vote share and accuracy."""


def bias_rows(history: LoopHistory) -> list[BiasRow]:
    """Returns the biases of every evaluated model: on gold first, then on each named set."""
    found = [_on_gold(item.number, item.gold) for item in history.evaluated if item.gold]
    further = {
        item.number: item.gold.manifest.expect(Scores).further
        for item in history.evaluated
        if item.gold
    }
    for name in sorted({name for sets in further.values() for name in sets}):
        for number, sets in further.items():
            if "strict/undecided" in sets.get(name, {}):
                found.append(_on_set(name, number, sets[name]))
    return found


def _on_gold(number: int, gold: Gold) -> BiasRow:
    decided = 1 - gold.undecided
    card = gold.manifest.expect(Scores).card
    return BiasRow(
        name=GOLD,
        iteration=number,
        undecided=gold.undecided,
        # an undecided verdict counts as wrong: all right ones are decided
        decided_only=gold.accuracy.value / decided if decided > 0 else None,
        consistency=card.consistency,
        first_position=_estimate(card.first_position, card.first_position_interval),
        longer=_estimate(card.longer, card.longer_interval),
        longer_is_better=card.longer_is_better,
    )


def _on_set(name: str, number: int, figures: Mapping[str, float]) -> BiasRow:
    return BiasRow(
        name=name,
        iteration=number,
        undecided=figures.get("strict/undecided"),
        decided_only=figures.get("strict/decided_only"),
        consistency=figures.get("strict/consistency"),
        first_position=_of_set(figures, "strict/first_position"),
        longer=_of_set(figures, "strict/longer"),
        longer_is_better=figures.get("strict/longer_is_better"),
        own=_of_set(figures, "own_answers/preferred"),
        own_is_better=figures.get("own_answers/better"),
        voting_gain=figures.get("voting/gain"),
        calibration_error=figures.get("voting/expected_calibration_error"),
    )


def _of_set(figures: Mapping[str, float], path: str) -> Estimate | None:
    if path not in figures:
        return None
    low, high = (figures.get(f"{path}_interval/{end}") for end in ("low", "high"))
    return Estimate(value=figures[path], low=low, high=high)


def _estimate(value: float | None, found: Interval) -> Estimate | None:
    if value is None:
        return None
    if found == Interval(0.0, 1.0):  # results of an earlier version have none
        return Estimate(value=value)
    return Estimate(value=value, low=found.low, high=found.high)
