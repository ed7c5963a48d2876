"""Multimodal RewardBench's official figures: accuracy over all lines, undecided ones at random.

Source: `scripts/2_get_accuracy.py` of multimodal_rewardbench at b4b92cd.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from judgeloop.evaluation.benchmarks.base import Figures, Item, Output
from judgeloop.evaluation.benchmarks.intervals import MACRO, Outcome, outcome_intervals
from judgeloop.evaluation.benchmarks.mm_rewardbench.parse import FIRST, SECOND, official

SEED = 123
ALL = "all"
SEVEN = (
    "open_generation/correctness_task",
    "open_generation/preference_task",
    "knowledge",
    "reasoning/math",
    "reasoning/coding",
    "safety/bias",
    "vqa",
)
"""The columns of the tables in R1-Reward's and BaseReward's papers."""


def aggregate(items: Sequence[Item], outputs: Sequence[Output]) -> Figures:
    """Returns the figures of outputs that show Output1 as A; the first sample of an item counts."""
    by_key = {item.key: item for item in items}
    generator = random.Random(SEED)
    right: dict[str, list[bool]] = {ALL: []}
    undecided, both, outcomes = [], [], []
    for output in outputs:
        if output.sample:  # the protocol has one sample
            continue
        item = by_key[output.item]
        text = output.text or ""
        shown = official(text)
        if shown is None:
            undecided.append(item.id)
            shown = 1 if generator.random() < 0.5 else 2
        elif FIRST in text and SECOND in text:
            both.append(item.id)
        for name in (ALL, item.group):
            right.setdefault(name, []).append(shown - 1 == item.better)
        outcomes.append(Outcome(item.group, item.image, shown - 1 == item.better))
    figures = {name: _accuracy(values) for name, values in right.items()}
    columns = outcome_intervals([one for one in outcomes if one.group in SEVEN])
    whole = all(name in figures for name in SEVEN)
    return Figures(
        official=figures,
        maps={"seven_column_mean": _seven_column_mean(figures)},
        lines=tuple(
            f"acc {name}: {found['correct']} / {found['total']} = {found['accuracy']}"
            for name, found in figures.items()
        ),
        details={"undecided_ids": undecided, "both_verdicts_ids": both},
        outcomes=tuple(outcomes),
        intervals={"seven_column_mean": columns[MACRO]} if whole else {},
    )


def _accuracy(right: Sequence[bool]) -> dict[str, Any]:
    total = len(right)
    return {
        "correct": sum(right),
        "total": total,
        "accuracy": sum(right) / total if total else None,
    }


def _seven_column_mean(figures: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Returns the mean of the seven columns, which reward-model papers print as overall."""
    columns = {name: figures[name]["accuracy"] for name in SEVEN if name in figures}
    whole = len(columns) == len(SEVEN)
    return {"columns": columns, "overall": sum(columns.values()) / len(SEVEN) if whole else None}
