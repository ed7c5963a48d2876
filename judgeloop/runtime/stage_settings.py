"""The part of the configuration that each stage reads: one struct per stage, its only access.

Sections and fields keep their names, so a path such as `loop.seed` means the same here and in the
whole configuration. A stage that reads another field fails the type check, and raises
AttributeError when it runs. Every field is either part of the stage's content key, or named in one
of two lists: `by_input` and `undeciding`.
"""

from __future__ import annotations

from typing import ClassVar, TypeVar

import msgspec

from judgeloop.schema.config import Column, ModelSection, ReportSection
from judgeloop.schema.decoding import decodable
from judgeloop.schema.engine_section import EngineSection
from judgeloop.schema.evaluation_sections import GateSection
from judgeloop.schema.method_sections import FilteringSection, JudgingSection, SynthesisSection
from judgeloop.schema.records import Kind
from judgeloop.schema.registry_section import RegistrySection
from judgeloop.schema.sampling import Sampling
from judgeloop.schema.section import Section
from judgeloop.schema.training_section import TrainingSection

S = TypeVar("S", bound=Section)

_ENGINE_OPERATION = (
    *("engine.batch_size", "engine.shards_in_flight", "engine.vllm.tensor_parallel"),
    *("engine.vllm.memory_share", "engine.vllm.cpu_cache_mib", "engine.endpoint.key_variable"),
    *("engine.endpoint.timeout_s", "engine.endpoint.retries"),
    *("engine.endpoint.prompt_price", "engine.endpoint.completion_price"),
)
"""Settings of an engine's operation and cost, which do not affect answers."""
_PICTURES = ("data.max_pixels", "data.background")


class StageSettings(Section, frozen=True, kw_only=True):
    """Base of the stages' settings, without fields."""

    by_input: ClassVar[tuple[str, ...]] = ()
    """Fields or sections that enter the content key through an input, which they have affected."""
    undeciding: ClassVar[tuple[str, ...]] = ()
    """Fields that do not affect the result."""


def select_settings(config: Section, kind: type[S]) -> S:
    """Returns the part of a configuration, or of a section, that a stage reads."""
    return msgspec.convert(config, decodable(kind), from_attributes=True)


class Seed(Section, frozen=True, kw_only=True):
    """Of the section `loop`."""

    seed: int


class SeedAndPartitions(Seed, frozen=True, kw_only=True):
    """Of the section `loop`."""

    partitions: int


class StopRule(Section, frozen=True, kw_only=True):
    """Of the section `loop`: the maximum of iterations, and when to stop earlier."""

    iterations: int
    stop_error: float | None
    min_gain: float
    min_delta: float
    patience: int


class Pictures(Section, frozen=True, kw_only=True):
    """Of the section `data`: how images are shown to a model."""

    max_pixels: int
    background: str


class QuestionsAndPictures(Pictures, frozen=True, kw_only=True):
    """Of the section `data`: the fields that a report shows."""

    questions: str


class StoredData(Pictures, frozen=True, kw_only=True):
    """Of the section `data`, for a stage that splits rows into shards."""

    shard_size: int


class QuestionSource(StoredData, frozen=True, kw_only=True):
    """Of the section `data`: where questions come from."""

    questions: str
    columns: dict[Column, str]
    kinds: dict[str, Kind]
    count: int | None


class QuestionPool(StoredData, frozen=True, kw_only=True):
    """Of the section `data`: which questions an iteration takes."""

    per_iteration: int | None
    fresh_pairs: bool


class Benchmarks(Section, frozen=True, kw_only=True):
    """Of the section `evaluation`: the further sets."""

    benchmarks: tuple[str, ...]
    data: dict[str, str]


class Gold(Section, frozen=True, kw_only=True):
    """Of the section `evaluation`: where the gold pairs come from."""

    gold: str


class GoldAndBenchmarks(Benchmarks, frozen=True, kw_only=True):
    """Of the section `evaluation`: what is judged, and how."""

    gold: str
    count: int | None
    sampling: Sampling
    samples: int | None
    attacks: int


class BasePrompts(Section, frozen=True, kw_only=True):
    """Of the section `evaluation`."""

    base_prompts: tuple[str, ...]


class JudgeAndBase(GoldAndBenchmarks, frozen=True, kw_only=True):
    """Of the section `evaluation`, for the base too."""

    base_prompts: tuple[str, ...]


class HeldOutShare(Section, frozen=True, kw_only=True):
    """Of the section `validation`."""

    share: float


class ValidationSampling(Section, frozen=True, kw_only=True):
    """Of the section `validation`."""

    sampling: Sampling


class EngineKind(Section, frozen=True, kw_only=True):
    """Of the section `engine`."""

    kind: str


class PermutedOptions(Section, frozen=True, kw_only=True):
    """Of the section `filtering`: whether questions are also judged with permuted options."""

    permuted_options: bool


class EnoughExamples(Section, frozen=True, kw_only=True):
    """Of the section `filtering`."""

    min_examples: int


class Experiment(Section, frozen=True, kw_only=True):
    """Of the section `registry`."""

    experiment: str


class RegistryNames(Experiment, frozen=True, kw_only=True):
    """Of the section `registry`: where a loop's versions are registered."""

    model_name: str


class Bound(Section, frozen=True, kw_only=True):
    """Of the section `loop`."""

    iterations: int


class StartModel(Section, frozen=True, kw_only=True):
    """Of the section `model`."""

    start: str | None


class ControlArm(Section, frozen=True, kw_only=True):
    """Of the section `filtering`: whether the loop is a control arm of the study."""

    keep: str


class ResolveSettings(StageSettings, frozen=True, kw_only=True):
    """Read by `resolve`, which checks early what later stages need."""

    undeciding: ClassVar[tuple[str, ...]] = ("prompts", "engine.kind", "evaluation.base_prompts")
    prompts: str
    model: ModelSection
    engine: EngineKind
    evaluation: BasePrompts


class IngestSettings(StageSettings, frozen=True, kw_only=True):
    """Read by `ingest`."""

    loop: SeedAndPartitions
    data: QuestionSource
    validation: HeldOutShare
    evaluation: Benchmarks


class InferenceSettings(StageSettings, frozen=True, kw_only=True):
    """Read by every stage that runs a model."""

    by_input: ClassVar[tuple[str, ...]] = _PICTURES
    undeciding: ClassVar[tuple[str, ...]] = _ENGINE_OPERATION
    prompts: str
    loop: Seed
    data: Pictures
    engine: EngineSection


class HoldOutSettings(InferenceSettings, frozen=True, kw_only=True):
    """Read by `hold_out`."""

    data: StoredData
    synthesis: SynthesisSection


class SynthesizeSettings(HoldOutSettings, frozen=True, kw_only=True):
    """Read by `synthesize`."""

    data: QuestionPool


class JudgeSettings(InferenceSettings, frozen=True, kw_only=True):
    """Read by `judge`."""

    judging: JudgingSection
    filtering: PermutedOptions


class FilterSettings(StageSettings, frozen=True, kw_only=True):
    """Read by `filter`."""

    undeciding: ClassVar[tuple[str, ...]] = ("filtering.min_examples",)
    prompts: str
    loop: SeedAndPartitions
    filtering: FilteringSection


class EnoughSettings(StageSettings, frozen=True, kw_only=True):
    """Read by `enough`."""

    filtering: EnoughExamples


class TrainSettings(StageSettings, frozen=True, kw_only=True):
    """Read by `train`, and part of the request that a TrainJob's pod reads."""

    by_input: ClassVar[tuple[str, ...]] = _PICTURES
    undeciding: ClassVar[tuple[str, ...]] = ("training.where", "training.checkpoint_steps")
    loop: Seed
    data: Pictures
    training: TrainingSection


class ValidateSettings(InferenceSettings, frozen=True, kw_only=True):
    """Read by `validate`."""

    validation: ValidationSampling


class EvaluateSettings(InferenceSettings, frozen=True, kw_only=True):
    """Read by `evaluate`."""

    by_input: ClassVar[tuple[str, ...]] = ()
    data: StoredData
    evaluation: GoldAndBenchmarks


class EvaluationAlone(EvaluateSettings, frozen=True, kw_only=True):
    """Read by an evaluation outside a loop; its keys hold those of the judged sets."""

    by_input: ClassVar[tuple[str, ...]] = ("prompts", "loop.seed", "data", "engine", "evaluation")
    evaluation: JudgeAndBase


class JudgeSetsSettings(EvaluationAlone, frozen=True, kw_only=True):
    """Read by `judge_sets`."""

    loop: SeedAndPartitions


class RecordSettings(EvaluationAlone, frozen=True, kw_only=True):
    """Read by `record`."""

    registry: Experiment


class DecideSettings(StageSettings, frozen=True, kw_only=True):
    """Read by `decide`."""

    loop: StopRule


class RegisterSettings(StageSettings, frozen=True, kw_only=True):
    """Read by `register`; the configuration that it records with a version is passed separately."""

    by_input: ClassVar[tuple[str, ...]] = ("prompts", "filtering.keep", "model.start")
    undeciding: ClassVar[tuple[str, ...]] = ("loop.iterations",)
    prompts: str
    loop: Bound
    model: StartModel
    filtering: ControlArm
    registry: RegistrySection


class PromoteSettings(StageSettings, frozen=True, kw_only=True):
    """Read by `promote`."""

    undeciding: ClassVar[tuple[str, ...]] = ("registry.experiment",)
    filtering: ControlArm
    gate: GateSection
    registry: Experiment


class ReportSettings(StageSettings, frozen=True, kw_only=True):
    """Read by `report`, which has no key: it is rendered every time."""

    undeciding: ClassVar[tuple[str, ...]] = (
        *("store", "loop.seed", "data.max_pixels", "data.background", "engine.kind"),
        *("model.base", "model.revision", "model.start", "filtering.keep", "registry.experiment"),
        *("registry.model_name", "data.questions", "evaluation.gold"),
        *("report.gallery", "report.thumbnail_px"),
    )
    store: str
    loop: Seed
    data: QuestionsAndPictures
    evaluation: Gold
    model: ModelSection
    engine: EngineKind
    filtering: ControlArm
    registry: RegistryNames
    report: ReportSection
