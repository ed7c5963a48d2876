"""Which of a benchmark's figures a table of several shows: the columns that its papers print.

Here, and not in the benchmarks' folders: what loads their labels is out of the report's reach.
"""

from __future__ import annotations

from typing import NamedTuple


class Column(NamedTuple):
    """A column of a benchmark."""

    title: str
    figure: str
    """Path among the flat figures, such as `official/overall_accuracy`."""
    scale: float
    """What the figure is multiplied with to be in percent."""
    interval: str = ""
    """Path of its interval among the flat figures, as shares of 0..1; empty where none is shown."""


STRICT = Column("both orders", "strict/both_orders", 100, "strict/both_orders_interval")
"""Our own figure, beside the official ones: right in both orders, undecided is wrong."""
COLUMNS: dict[str, tuple[Column, ...]] = {
    "vl-rewardbench": (
        Column("General", "official/accuracy_by_group/general", 1),
        Column("Hallucination", "official/accuracy_by_group/hallucination", 1),
        Column("Reasoning", "official/accuracy_by_group/reasoning", 1),
        Column("Overall", "official/overall_accuracy", 1, "intervals/all"),
        Column("Macro", "official/macro_accuracy", 1),
        STRICT,
    ),
    "mm-rewardbench": (
        Column("Overall", "official/all/accuracy", 100, "intervals/all"),
        Column("Correctness", "official/open_generation/correctness_task/accuracy", 100),
        Column("Preference", "official/open_generation/preference_task/accuracy", 100),
        Column("Knowledge", "official/knowledge/accuracy", 100),
        Column("Math", "official/reasoning/math/accuracy", 100),
        Column("Coding", "official/reasoning/coding/accuracy", 100),
        Column("Safety", "official/safety/bias/accuracy", 100),
        Column("VQA", "official/vqa/accuracy", 100),
        STRICT,
    ),
    "mm-rlhf-rewardbench": (
        Column("MCQ", "official/mcq/accuracy", 100),
        Column("Long", "official/long/accuracy", 100),
        Column("Short", "official/short/accuracy", 100),
        Column("Safety", "official/safety/accuracy", 100),
        Column("Video", "official/video/accuracy", 100),
        Column("Acc", "official/all/accuracy", 100, "intervals/all"),
        Column("Acc+", "official/all/acc_plus", 100),
        STRICT,
    ),
}
"""By benchmark."""
