"""The sections of evaluation and of the promotion gate."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from judgeloop.schema.sampling import Sampling
from judgeloop.schema.section import Count, Positive, Section


class EvaluationSection(Section, frozen=True, kw_only=True):
    """Evaluation on gold pairs: for reports and the promotion gate, never for the loop itself."""

    gold: str
    """`tiny-world`, or a JSONL file of gold pairs (path or s3:// URI)."""
    count: Positive | None = None
    sampling: Sampling
    benchmarks: tuple[str, ...] = ()
    """Further sets, for information only: names of benchmarks, or files such as `gold.jsonl`."""
    data: dict[str, str] = msgspec.field(default_factory=dict)
    """Folder or file of each named benchmark, or `s3://bucket/prefix`, `hub:OWNER/NAME@REVISION`.
    A benchmark's own script beside its data gives the official prompt."""
    samples: Positive | None = None
    """Samples per item of a named benchmark, in each order; None is the benchmark's own number."""
    attacks: Count = 0
    """Approximate number of gold pairs also judged with each kind of attack in the worse answer."""
    base_prompts: tuple[str, ...] = ()
    """Prompt sets with which an evaluation outside a loop also asks the untrained base, a row
    each."""

    def __post_init__(self) -> None:
        """Refuses sets that are named twice, or named without a location."""
        if len(set(self.benchmarks)) != len(self.benchmarks):
            raise ValueError("benchmarks names a set twice")
        for name in self.benchmarks:
            if not name.endswith(".jsonl") and name not in self.data:
                raise ValueError(f"benchmarks names {name}: give its folder as data.{name}")


Bound = Annotated[float, Meta(ge=0, le=1)]


class GateSection(Section, frozen=True, kw_only=True):
    """When a candidate becomes the champion. Every condition must hold; shares are in 0..1."""

    min_difference: Bound = 0.0
    """The paired 95 % interval of (candidate - champion), both-order accuracy, must lie above."""
    max_accuracy_loss: Bound = 0.0
    """Accuracy by single verdict may fall by no more than this."""
    max_group_loss: Bound = 0.05
    """Both-order accuracy of a group may fall by no more than this; a single item is not enough."""
    group_losses: dict[str, Bound] = msgspec.field(default_factory=dict)
    """The same for single groups, by name, instead of `max_group_loss`."""
    max_undecided_rise: Bound = 0.02
    """The share of undecided verdicts may rise by no more than this."""
    max_position_bias_rise: Bound = 0.05
    """The distance of the first-position share from 0.5 may rise by no more than this."""
    max_clear_probes: Bound = 0.1
    """Share of identical answers, shown twice, on which both orders may prefer the same one."""
