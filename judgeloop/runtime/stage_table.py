"""The table of stages: one row declares everything that other code must know about a stage.

The pipeline task (`judgeloop.runtime.tasks`), profiles and placement, the check of compiled
pipelines, the components' images and READMEs, status, clean and the report read it. It is pure data
and imports nothing heavy. The order of the rows is the order in which work is shown.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from judgeloop.runtime.stage_settings import (
    DecideSettings,
    EnoughSettings,
    EvaluateSettings,
    FilterSettings,
    HoldOutSettings,
    IngestSettings,
    JudgeSetsSettings,
    JudgeSettings,
    PromoteSettings,
    RecordSettings,
    RegisterSettings,
    ReportSettings,
    ResolveSettings,
    StageSettings,
    SynthesizeSettings,
    TrainSettings,
    ValidateSettings,
)
from judgeloop.schema import results

Phase = Literal["start", "iteration", "end", "evaluation", "beside"]
"""When a stage runs: once with the start model, in each iteration, once after the loop, only in an
evaluation outside a loop, or only on a cluster, in parallel to the other tasks of a run."""


class KeySpec(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a content key: everything that affects the result, and nothing else."""

    version: int = 1
    """Incremented when the same inputs give another result."""
    settings: tuple[str, ...] = ()
    """Fields of the configuration, or whole sections, by path."""
    inputs: tuple[str, ...] = ()
    """The stage's inputs, and of the software `engine`, `prompts` and `control_tokens`
    (`judgeloop.runtime.identity`)."""


class StageSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Declaration of one stage."""

    name: str
    """Name of the component, of the task in the ledger and of the folder in the store."""
    function: str
    """`module:function` below `judgeloop.runtime.stages`; empty if it does no work of a loop."""
    settings: type[StageSettings] = StageSettings
    """The part of the configuration that it reads and gets."""
    phases: tuple[Phase, ...]
    key: KeySpec
    """Its content key; finished work with the same content key is not repeated."""
    section: str
    """The stage's own section of the configuration."""
    result: type[results.Result] | None = None
    """The type of the result in its manifest; None if the rows are the whole result."""
    image: Literal["cpu", "gpu"] = "cpu"
    """Container image; `gpu` can run and train models."""
    gpu: Literal["inference", "training"] | None = None
    """The profile's resources that a task gets; None: no GPU, since the stage runs no model."""
    partitioned: bool = False
    """Whether an iteration has one task per partition."""
    permanent: bool = False
    """Whether `clean` always keeps its results, which are small and record decisions."""
    in_ledger: bool = True
    """Whether its finished tasks are recorded in the ledger; False for the report."""
    may_change: bool = False
    """Whether a loop may continue although the stage's result for the start model has changed: gold
    pairs affect nothing in the loop."""


STAGES = (
    StageSpec(
        name="resolve",
        function="resolve:resolve",
        settings=ResolveSettings,
        phases=("start",),
        key=KeySpec(inputs=("model",)),
        section="model",
        result=results.Resolved,
    ),
    StageSpec(
        name="ingest",
        function="ingest:ingest",
        settings=IngestSettings,
        phases=("start",),
        key=KeySpec(
            version=10,
            settings=(
                *("data.columns", "data.kinds", "data.count", "data.max_pixels", "data.background"),
                "data.shard_size",
                *("validation.share", "loop.partitions", "loop.seed"),
            ),
            inputs=("file", "images", "benchmarks"),
        ),
        section="data",
        result=results.Ingested,
    ),
    StageSpec(
        name="hold_out",
        function="synthesize:hold_out",
        settings=HoldOutSettings,
        phases=("start",),
        key=KeySpec(
            version=8,
            settings=("synthesis", "data.shard_size", "loop.seed"),
            inputs=("engine", "control_tokens", "prompts", "base", "questions"),
        ),
        section="synthesis",
        image="gpu",
        gpu="inference",
    ),
    StageSpec(
        name="synthesize",
        function="synthesize:synthesize",
        settings=SynthesizeSettings,
        phases=("iteration",),
        key=KeySpec(
            version=8,
            settings=("synthesis", "data.shard_size", "loop.seed"),
            inputs=(
                *("engine", "control_tokens", "prompts", "base", "questions"),
                *("partition", "slices", "iteration"),
            ),
        ),
        section="synthesis",
        image="gpu",
        gpu="inference",
        partitioned=True,
    ),
    StageSpec(
        name="judge",
        function="judge:judge",
        settings=JudgeSettings,
        phases=("iteration",),
        key=KeySpec(
            version=7,
            settings=("judging", "filtering.permuted_options", "loop.seed"),
            inputs=("engine", "control_tokens", "prompts", "model", "pairs"),
        ),
        section="judging",
        result=results.Verdicts,
        image="gpu",
        gpu="inference",
        partitioned=True,
    ),
    StageSpec(
        name="filter",
        function="filter:filter_judgements",
        settings=FilterSettings,
        phases=("iteration",),
        key=KeySpec(
            version=8,
            settings=(
                *("filtering.keep", "filtering.both_orders", "filtering.majority"),
                *("filtering.traces_per_pair", "filtering.max_examples"),
                *("filtering.pairs_per_kind", "filtering.pairs_per_error"),
                *("filtering.pairs_per_image", "filtering.reason_words"),
                *("filtering.reason_names_answer", "filtering.max_sentence_share"),
                *("filtering.max_similarity", "filtering.last_verdict"),
                "filtering.permuted_options",
                "loop.seed",  # `filtering.min_examples` is read by `enough` alone
            ),
            inputs=("prompts", "judgements", "last"),
        ),
        section="filtering",
        result=results.Funnel,
    ),
    StageSpec(
        name="enough",
        function="decide:enough",
        settings=EnoughSettings,
        phases=("iteration",),
        key=KeySpec(settings=("filtering.min_examples",), inputs=("examples",)),
        section="filtering",
        result=results.Supply,
    ),
    StageSpec(
        name="train",
        function="train:train",
        settings=TrainSettings,
        phases=("iteration",),
        key=KeySpec(
            version=4,
            settings=(
                *("training.kind", "training.start", "training.rank", "training.alpha"),
                *("training.data", "training.current_share"),
                *("training.learning_rate", "training.epochs", "training.max_steps"),
                *("training.batch_size", "training.micro_batch_size", "training.warmup_ratio"),
                *("training.schedule", "training.weight_decay", "training.dtype"),
                *("training.processes", "training.nodes", "loop.seed"),
            ),
            inputs=("libraries", "control_tokens", "start", "examples", "earlier"),
        ),
        section="training",
        result=results.Training,
        image="gpu",
        gpu="training",
    ),
    StageSpec(
        name="validate",
        function="validate:validate",
        settings=ValidateSettings,
        phases=("start", "iteration"),
        key=KeySpec(
            version=10,
            settings=("validation.sampling", "loop.seed"),
            inputs=("engine", "control_tokens", "prompts", "model", "pairs"),
        ),
        section="validation",
        result=results.Scores,
        image="gpu",
        gpu="inference",
    ),
    StageSpec(
        name="evaluate",
        function="evaluate:evaluate",
        settings=EvaluateSettings,
        phases=("start", "iteration"),
        key=KeySpec(
            version=10,
            settings=("evaluation.sampling", "loop.seed"),
            inputs=("engine", "control_tokens", "prompts", "model", "pairs"),
        ),
        section="evaluation",
        result=results.Scores,
        image="gpu",
        gpu="inference",
        may_change=True,
    ),
    StageSpec(
        name="judge_sets",
        function="standalone:judge_sets",
        settings=JudgeSetsSettings,
        phases=("evaluation",),
        key=KeySpec(settings=("loop.partitions",), inputs=("model", "partition", "sets")),
        section="evaluation",
        image="gpu",
        gpu="inference",
        partitioned=True,
    ),
    StageSpec(
        name="record",
        function="standalone:record",
        settings=RecordSettings,
        phases=("evaluation",),
        key=KeySpec(settings=("registry.experiment",), inputs=("loop_id", "model", "evaluation")),
        section="registry",
        result=results.Scores,
        permanent=True,
    ),
    StageSpec(
        name="register",
        function="register:register",
        settings=RegisterSettings,
        phases=("iteration",),
        key=KeySpec(  # with the version's number, which the registry assigns
            version=4,
            settings=("registry.model_name",),
            inputs=("loop_id", "iteration", "trained", "validation", "evaluation", "examples"),
        ),
        section="registry",
        result=results.Registered,
        permanent=True,
    ),
    StageSpec(
        name="decide",
        function="decide:decide",
        settings=DecideSettings,
        phases=("iteration",),
        key=KeySpec(
            version=2,
            settings=(
                *("loop.iterations", "loop.patience", "loop.min_delta"),
                *("loop.stop_error", "loop.min_gain"),
            ),
            inputs=("iteration", "validations"),
        ),
        section="loop",
        result=results.Decision,
    ),
    StageSpec(
        name="promote",
        function="promote:promote",
        settings=PromoteSettings,
        phases=("end",),
        key=KeySpec(
            version=4,
            settings=("gate",),
            inputs=("loop_id", "names", "controls", "used_gold", "candidate", "evaluations"),
        ),
        section="gate",
        result=results.Promotion,
        permanent=True,
    ),
    StageSpec(
        name="report",
        function="report:report",
        settings=ReportSettings,
        phases=("end",),
        key=KeySpec(),  # it is rendered at every end of a run
        section="report",
        in_ledger=False,
    ),
    StageSpec(
        name="watch",
        function="",
        phases=("beside",),
        key=KeySpec(),  # it has no output
        section="loop",
        in_ledger=False,
    ),
)
GOLD = KeySpec(
    version=8,
    settings=("evaluation.count", "data.max_pixels", "data.background", "data.shard_size"),
    inputs=("file", "images"),
)
"""Key of the gold pairs, which `evaluate` stores."""
BENCHMARK_ITEMS = KeySpec(
    settings=("data.max_pixels", "data.shard_size"),
    inputs=("benchmark", "files", "images"),
)
"""Key of the items of a named benchmark, which `evaluate` stores."""
ATTACK = KeySpec(
    version=2,
    settings=("evaluation.attacks", "evaluation.sampling", "loop.seed"),
    inputs=("engine", "control_tokens", "prompts", "model", "pairs"),
)
"""Key of the judgements of gold pairs with an attack in the worse answer."""
BENCHMARK = KeySpec(
    version=5,
    settings=("evaluation.samples", "loop.seed"),
    inputs=(
        *("engine", "control_tokens", "prompts", "model", "pairs", "benchmark"),
        "official_prompt",
    ),
)
"""Key of the judgements of a named benchmark's items."""
COMPARE = KeySpec(
    version=5,
    inputs=(
        *("model", "prompt_hash", "sampling", "samples", "engine_settings", "max_pixels"),
        *("background", "file", "images", "rule"),
    ),
)
"""Key of the judgements of a file of answer pairs (`judgeloop judge`), which belongs to no loop."""


def stage_names() -> tuple[str, ...]:
    """Returns the names of all stages, in their order."""
    return tuple(spec.name for spec in STAGES)


def stage_spec(name: str) -> StageSpec:
    """Returns the row of a stage.

    Raises:
        KeyError: There is no such stage.
    """
    for spec in STAGES:
        if spec.name == name:
            return spec
    raise KeyError(f"no row of {name} in judgeloop/runtime/stage_table.py: {stage_names()}")


def stages_of(phase: Phase) -> tuple[StageSpec, ...]:
    """Returns the stages that run in a phase, in their order."""
    return tuple(spec for spec in STAGES if phase in spec.phases)


def stage_place(name: str) -> tuple[int, str]:
    """Returns a sort key: the table's order, then unknown names."""
    names = stage_names()
    return (names.index(name) if name in names else len(names), name)
