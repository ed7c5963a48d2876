"""The table of stages: one row says all that the rest must know of a stage.

The pipeline task (`judgeloop.runtime.tasks`), profiles and placement, the check of compiled
pipelines, the components' images and READMEs, status, clean and the report read it. It is data
alone and imports nothing heavy. The order of the rows is the order in which work is shown.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Phase = Literal["start", "iteration", "end"]
"""When a stage runs: once with the start model, in each iteration, or once after the loop."""


class StageSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What is declared of one stage."""

    name: str
    """Of the component, of the task in the ledger and of the folder in the store."""
    function: str
    """`module:function` below `judgeloop.runtime.stages`."""
    phases: tuple[Phase, ...]
    image: Literal["cpu", "gpu"] = "cpu"
    """The container image; `gpu` has what runs and trains models."""
    gpu: Literal["inference", "training"] | None = None
    """Which size of the profile a task gets; None runs no model and gets no GPU."""
    partitioned: bool = False
    """Whether an iteration has one task a partition."""
    permanent: bool = False
    """Whether its results stay for good when a store is cleaned: they are small and say what was
    decided."""
    in_ledger: bool = True
    """Whether the ledger has an entry of each of its tasks that is done; False for the report."""
    may_change: bool = False
    """Whether a loop may go on where the stage's result for the start model has changed: gold pairs
    decide nothing in the loop."""


STAGES = (
    StageSpec(name="resolve", function="resolve:resolve", phases=("start",)),
    StageSpec(name="ingest", function="ingest:ingest", phases=("start",)),
    StageSpec(
        name="hold_out",
        function="synthesize:hold_out",
        phases=("start",),
        image="gpu",
        gpu="inference",
    ),
    StageSpec(
        name="synthesize",
        function="synthesize:synthesize",
        phases=("iteration",),
        image="gpu",
        gpu="inference",
        partitioned=True,
    ),
    StageSpec(
        name="judge",
        function="judge:judge",
        phases=("iteration",),
        image="gpu",
        gpu="inference",
        partitioned=True,
    ),
    StageSpec(name="filter", function="filter:filter_judgements", phases=("iteration",)),
    StageSpec(name="enough", function="decide:enough", phases=("iteration",)),
    StageSpec(
        name="train",
        function="train:train",
        phases=("iteration",),
        image="gpu",
        gpu="training",
    ),
    StageSpec(
        name="validate",
        function="validate:validate",
        phases=("start", "iteration"),
        image="gpu",
        gpu="inference",
    ),
    StageSpec(
        name="evaluate",
        function="evaluate:evaluate",
        phases=("start", "iteration"),
        image="gpu",
        gpu="inference",
        may_change=True,
    ),
    StageSpec(
        name="register",
        function="register:register",
        phases=("iteration",),
        permanent=True,
    ),
    StageSpec(name="decide", function="decide:decide", phases=("iteration",)),
    StageSpec(
        name="promote",
        function="promote:promote",
        phases=("end",),
        permanent=True,
    ),
    StageSpec(name="report", function="report:report", phases=("end",), in_ledger=False),
)


def stage_names() -> tuple[str, ...]:
    """Returns the names of all stages, in their order."""
    return tuple(spec.name for spec in STAGES)


def stage_spec(name: str) -> StageSpec:
    """Returns the row of a stage.

    Raises:
        KeyError: There is none.
    """
    for spec in STAGES:
        if spec.name == name:
            return spec
    raise KeyError(f"no row of {name} in judgeloop/runtime/stage_table.py: {stage_names()}")


def stages_of(phase: Phase) -> tuple[StageSpec, ...]:
    """Returns the stages that run in a phase, in their order."""
    return tuple(spec for spec in STAGES if phase in spec.phases)


def stage_place(name: str) -> tuple[int, str]:
    """Returns a sort key: the table's order, then the names that it does not know."""
    names = stage_names()
    return (names.index(name) if name in names else len(names), name)
