"""One YAML file, one tree of sections; a stage's content key holds that stage's section alone.

`load_config` reads a file, with what it extends, and applies `--set path=value` changes; every
error names the key's path. The presets in `pipelines/configs/` are complete and commented.
"""

from __future__ import annotations

import copy
import difflib
import math
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from judgeloop.schema.changes import apply_change, shown_change, split_changes
from judgeloop.schema.decoding import decodable
from judgeloop.schema.engine_section import EngineSection, scripted_misfit
from judgeloop.schema.errors import ConfigError
from judgeloop.schema.evaluation_sections import EvaluationSection, GateSection
from judgeloop.schema.hints import hint, section_type
from judgeloop.schema.layers import leaves, merge, read_layers
from judgeloop.schema.method_sections import (
    FilteringSection,
    JudgingSection,
    SynthesisSection,
    ValidationSection,
)
from judgeloop.schema.records import Kind
from judgeloop.schema.registry_section import RegistrySection
from judgeloop.schema.section import Count, Positive, Section
from judgeloop.schema.training_section import TrainingSection

S = typing.TypeVar("S", bound=msgspec.Struct)
MAX_PIXELS = 1_003_520
"""Default of `data.max_pixels`: 1,280 tokens of 28 x 28 pixels of Qwen2.5-VL, which its model card
recommends as an upper bound."""
BACKGROUND = "white"
"""Default of `data.background`."""
Pixels = Annotated[int, Meta(ge=1, le=100_000_000)]
Background = Annotated[str, Meta(pattern="^(white|black|gr[ae]y|#[0-9a-fA-F]{6})$")]


Column = Literal["id", "images", "text", "kind", "choices", "source", "license"]
"""A field of a question."""


class LoopSection(Section, frozen=True, kw_only=True):
    """How long the loop runs and how far it fans out."""

    iterations: Positive
    """Maximum number of iterations, over all runs of the loop."""
    iterations_per_run: Positive | None = None
    """Iterations in one run of the pipeline, whose last task starts the next run. None: on a
    cluster as many as the size of Argo's object allows, on one machine all of them."""
    reruns: Count = 2
    """Automatic reruns after a run that a lost pod or a server error ended; counted anew once
    another iteration is decided."""
    partitions: Positive
    """Tasks that synthesis and judging are split into, one pod each."""
    stop_error: Annotated[float, Meta(gt=0, le=0.5)] | None = 0.05
    """Probability that the loop stops although an iteration gained `min_gain`: the stop rule is a
    paired test on the held-out pairs. None: it compares the scores by `min_delta`."""
    min_gain: Annotated[float, Meta(gt=0, lt=1)] = 0.03
    """Gain in both-order accuracy that the test must rule out to stop."""
    min_delta: Annotated[float, Meta(ge=0)]
    """Without the test, the score on held-out pairs must rise by more than this to continue."""
    patience: Positive
    """Iterations in a row without a gain after which the loop stops."""
    seed: Count


class DataSection(Section, frozen=True, kw_only=True):
    """The questions and their images; the loop reads no answers."""

    questions: str
    """`tiny-world`, or a JSONL file of questions (path or s3:// URI), images relative to it."""
    columns: dict[Column, str] = msgspec.field(default_factory=dict)
    """Which column of a row holds which field, where a file has other names: `{text: prompt}`."""
    kinds: dict[str, Kind] = msgspec.field(default_factory=dict)
    """Kind of each subset, by the rows' `source`, where a row states none: `{ai2d:
    multiple_choice}`."""
    count: Positive | None = None
    """Questions made by `tiny-world`, or the first `count` of a file."""
    per_iteration: Positive | None = None
    """Questions used in one iteration: the next slice of the pool each time. None uses all."""
    fresh_pairs: bool = True
    """Make new pairs in every iteration; False: one pool, judged again by each judge."""
    max_pixels: Pixels = MAX_PIXELS
    """Width x height of what a model sees of an image, on every engine and in training; a larger
    image is scaled down and keeps its aspect ratio."""
    background: Background = BACKGROUND
    """Color behind transparent pixels: `white`, `black`, `grey` or `#rrggbb`."""
    shard_size: Positive = 200
    """Rows per shard, the unit of resumption."""


class ModelSection(Section, frozen=True, kw_only=True):
    """The model that the loop starts from."""

    base: str
    """Hub id, folder, s3:// URI of a folder that `judgeloop.store.upload_folder` stored (it holds
    `checksums.json`), or `builtin:tiny-vlm`."""
    revision: str | None = None
    """Branch, tag or commit of a hub id, resolved to a commit when the loop begins; where the hub
    cannot be asked, a commit."""
    start: str | None = None
    """`models:/name@alias` or `models:/name/version` of a judge to continue; None: the base."""


class ReportSection(Section, frozen=True, kw_only=True):
    """What the report shows. It belongs to no content key."""

    gallery: Annotated[int, Meta(ge=0, le=200)] = 12
    """Judgements shown with their images, of each kind (right, wrong)."""
    thumbnail_px: Annotated[int, Meta(ge=32, le=256)] = 192


class Config(Section, frozen=True, kw_only=True):
    """The whole configuration of a loop."""

    store: str
    """Folder or s3://bucket/prefix that holds everything the loop makes."""
    prompts: str
    """Prompt set: `tiny`, `tiny-choose`, `default`, or the path or s3:// URI of a folder of
    templates (a copy of judgeloop/method/prompts/default); pods of a cluster need the URI."""
    loop: LoopSection
    data: DataSection
    model: ModelSection
    engine: EngineSection
    synthesis: SynthesisSection
    judging: JudgingSection
    filtering: FilteringSection
    training: TrainingSection
    validation: ValidationSection
    evaluation: EvaluationSection
    gate: GateSection
    registry: RegistrySection
    report: ReportSection

    def to_json(self) -> str:
        """Returns the configuration as JSON text, to be passed as a pipeline parameter."""
        return msgspec.json.encode(self, order="deterministic").decode()

    def __post_init__(self) -> None:
        """Refuses sections that don't go together."""
        if (self.engine.kind == "scripted") != (self.training.kind == "scripted"):
            raise ValueError(
                "engine.kind and training.kind: `scripted` goes with `scripted` only "
                "(a scripted model has no weights to train)"
            )
        if self.prompts in ("tiny", "tiny-choose") and self.synthesis.check_meaning:
            raise ValueError(
                f"synthesis.check_meaning: the prompt set `{self.prompts}` cannot ask what texts "
                "mean; set it to false or use other prompts"
            )
        if self.filtering.last_verdict != "ignored" and self.data.fresh_pairs:
            raise ValueError(
                "filtering.last_verdict: no two judges see the same pairs where each iteration has "
                "new ones; set data.fresh_pairs to false, or leave it `ignored`"
            )
        if reason := scripted_misfit(self.engine.kind, self.model.base):
            raise ValueError(reason)


def load_config(path: Path, changes: Sequence[str] = ()) -> Config:
    """Reads a YAML configuration, with what it extends, and applies changes to it.

    Args:
        path: The YAML file, or the name of a preset.
        changes: `section.key=value` texts; the value is read as YAML.

    Raises:
        ConfigError: A file, a key, a value or a change is wrong; the message names the key path.
    """
    return resolve_config(path, changes)[0]


def resolve_config(path: Path, changes: Sequence[str] = ()) -> tuple[Config, dict[str, str]]:
    """Reads as `load_config` does, and also returns where each value comes from.

    Returns:
        The configuration; and by path of a value, such as `loop.seed`, the file, the preset or
        `--set`. A value without an entry is a default.
    """
    tree: dict[str, Any] = {}
    origins: dict[str, str] = {}
    layers = read_layers(path)
    for name, layer in layers:
        _refuse_unknown_keys(layer, Config, "", name)
        tree = merge(tree, layer)
        origins |= dict.fromkeys((place for place, _ in leaves(layer)), name)
    where = layers[-1][0]
    changes = split_changes(changes)
    changed_tree = copy.deepcopy(tree)
    changed = [apply_change(changed_tree, change) for change in changes]
    try:
        config = parse_config(changed_tree, where)
    except ConfigError as error:
        try:
            parse_config(tree, where)
        except ConfigError:
            raise error from None  # the file is wrong without the changes, too
        blamed = [
            shown_change(change)
            for change, place in zip(changes, changed, strict=True)
            if f"`{place}" in str(error)
        ]
        said = str(error).removeprefix(f"{where}: ")
        names = " ".join(blamed or map(shown_change, changes))
        raise ConfigError(f"{names}: {said}") from error
    return config, origins | dict.fromkeys(changed, "--set")


def config_from_json(text: str) -> Config:
    """Reads the text made by `Config.to_json`.

    Raises:
        ConfigError: It is not a configuration.
    """
    try:
        return msgspec.json.decode(text, type=decodable(Config))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration parameter: {error}") from error


def parse_config(tree: dict[str, Any], where: str) -> Config:
    """Validates a parsed tree and returns it as a configuration.

    Raises:
        ConfigError: As `parse_section` says.
    """
    return parse_section(tree, Config, where)


def parse_section(tree: dict[str, Any], kind: type[S], where: str) -> S:
    """Validates a parsed tree and returns it as a section, with its subsections.

    Raises:
        ConfigError: An unknown key (with the nearest known one), a wrong type or value, or values
            that don't go together.
    """
    _refuse_unknown_keys(tree, kind, "", where)
    try:
        return msgspec.convert(tree, decodable(kind))
    except msgspec.ValidationError as error:
        message = str(error).replace("`$.", "`").replace("`$`", "the top level")
        raise ConfigError(f"{where}: {message}{hint(message, kind)}") from error
    except (OverflowError, RecursionError, ValueError) as error:
        raise ConfigError(f"{where}: a value cannot be read: {error}") from error


def _refuse_unknown_keys(tree: dict[str, Any], kind: type, path: str, where: str) -> None:
    fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
    for key, value in tree.items():
        full = f"{path}{key}"
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1, cutoff=0.5)
            hint = f"did you mean `{path}{near[0]}`?" if near else f"known: {', '.join(fields)}"
            raise ConfigError(f"{where}: unknown key `{full}`; {hint}")
        if isinstance(value, float) and math.isinf(value):
            raise ConfigError(f"{where}: `{full}` is infinite; give a number")
        nested = section_type(fields[key])
        if nested and isinstance(value, dict):
            _refuse_unknown_keys(value, nested, f"{full}.", where)
