"""The figures of each benchmark that a table of several shows: the columns that its papers print.

They are here and not in the benchmarks' folders, since the report must not import what loads
labels.
"""

from __future__ import annotations

from typing import NamedTuple


class Column(NamedTuple):
    """A column of a benchmark."""

    title: str
    figure: str
    """Path among the flat figures, such as `official/overall_accuracy`."""
    scale: float
    """Factor that converts the figure to percent."""
    group: str = ""
    """Its group of items, `ALL`, or `MACRO`; empty if it is not a share of items."""
    interval: str = ""
    """Path of its interval, if that does not follow from the group."""

    @property
    def ends(self) -> tuple[str, str]:
        """Paths of the low and the high end of its interval, which are shares of 0..1."""
        interval = self.interval or f"intervals/{self.group}"
        return f"{interval}/low", f"{interval}/high"


ALL, MACRO = "all", "macro"


def _accuracy(title: str, group: str) -> Column:
    return Column(title, f"official/{group}/accuracy", 100, group)


STRICT = Column("both orders", "strict/both_orders", 100, ALL, "strict/both_orders_interval")
"""Judgeloop's figure beside the official ones: right in both orders, undecided is wrong."""
COLUMNS: dict[str, tuple[Column, ...]] = {
    "vl-rewardbench": (
        Column("General", "official/accuracy_by_group/general", 1, "general"),
        Column("Hallucination", "official/accuracy_by_group/hallucination", 1, "hallucination"),
        Column("Reasoning", "official/accuracy_by_group/reasoning", 1, "reasoning"),
        Column("Overall", "official/overall_accuracy", 1, ALL),
        Column("Macro", "official/macro_accuracy", 1, MACRO),
        STRICT,
    ),
    "mm-rewardbench": (
        _accuracy("Overall", ALL),
        _accuracy("Correctness", "open_generation/correctness_task"),
        _accuracy("Preference", "open_generation/preference_task"),
        _accuracy("Knowledge", "knowledge"),
        _accuracy("Math", "reasoning/math"),
        _accuracy("Coding", "reasoning/coding"),
        _accuracy("Safety", "safety/bias"),
        _accuracy("VQA", "vqa"),
        STRICT,
    ),
    "mm-rlhf-rewardbench": (
        _accuracy("MCQ", "mcq"),
        _accuracy("Long", "long"),
        _accuracy("Short", "short"),
        _accuracy("Safety", "safety"),
        _accuracy("Video", "video"),
        _accuracy("Acc", ALL),
        Column("Acc+", "official/all/acc_plus", 100, interval="intervals/acc_plus"),
        STRICT,
    ),
}
"""By benchmark."""
