"""The records passed between stages, and their codec.

Every record is an immutable msgspec Struct, written as one JSON object per line. Records are joined
by id, never by position. `SCHEMA_VERSION` is part of every manifest: a reader refuses another one.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from judgeloop.schema.counts import Counts, read_counts
from judgeloop.schema.decoding import decodable
from judgeloop.schema.errors import DataError
from judgeloop.schema.results import AnyResult, Result

SCHEMA_VERSION = 2
T = TypeVar("T", bound=Result)


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all records."""


class Kind(StrEnum):
    """The kind of a question; it decides how a preference pair is made (paper, Figure 1)."""

    CAPTION = "caption"
    LONG_ANSWER = "long_answer"
    MULTIPLE_CHOICE = "multiple_choice"
    NUMBER = "number"
    SHORT_PHRASE = "short_phrase"
    YES_NO = "yes_no"

    @property
    def is_open(self) -> bool:
        """True if no single answer can be counted as the right one."""
        return self in (Kind.CAPTION, Kind.LONG_ANSWER)


class Question(Record, frozen=True, kw_only=True):
    """A question about images. It holds no answer: none enters the loop."""

    id: str
    images: tuple[str, ...]
    """Content hashes (sha256) of the images, in the order in which they are shown."""
    text: str
    kind: Kind
    kind_unsure: bool | msgspec.UnsetType = msgspec.UNSET
    """True where only the wording gave the kind, and it does not show the form of the answer."""
    choices: tuple[str, ...] | None = None
    """The options of a multiple-choice question, in order; option 0 is (A)."""
    source: str = ""
    """The subset or data set that the row is from."""
    license: str = ""
    """Of the image and the text, as the data set states it."""
    meta: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    """Further fields of the row, unchanged; stored, but not used by the loop."""


class Altered(Record, frozen=True, kw_only=True, tag="altered", tag_field="how"):
    """The rejected answer is the chosen one with an error planted on purpose."""

    error: str
    """The kind of error that was asked for, such as `colour` or `count`."""
    place: str
    """What was replaced by what, as `old words -> new words`."""


class Voted(Record, frozen=True, kw_only=True, tag="voted", tag_field="how"):
    """The chosen answer is the majority of N samples, the rejected one another candidate."""

    counts: dict[str, int]
    """Votes by normalized answer; samples without one readable answer have none."""


class Labelled(Record, frozen=True, kw_only=True, tag="labelled", tag_field="how"):
    """A gold pair: the preference comes from outside. Only evaluation reads these."""

    category: str


class Pair(Record, frozen=True, kw_only=True):
    """Two answers to one question, of which `chosen` is known or believed to be better."""

    id: str
    question: Question
    chosen: str
    rejected: str
    origin: Altered | Voted | Labelled


class Choice(StrEnum):
    """What a judge decided. There is no default side."""

    A = "A"
    B = "B"
    UNDECIDED = "UNDECIDED"


class Verdict(Record, frozen=True, kw_only=True):
    """A judge's choice between answer A and answer B; UNDECIDED always has a reason."""

    choice: Choice
    reason: str | None = None


class Order(StrEnum):
    """Which of a pair's two answers was shown as answer A."""

    CHOSEN_FIRST = "chosen_first"
    REJECTED_FIRST = "rejected_first"


class Repeated(Record, frozen=True, kw_only=True):
    """A judgement repeated with the question in another form."""

    text: str
    verdict: Verdict
    finish_reason: str
    tokens: int


class Judgement(Record, frozen=True, kw_only=True, omit_defaults=True):
    """One sampled judgement of one pair in one order, with its reasoning."""

    pair_id: str
    order: Order
    sample: int
    text: str
    verdict: Verdict
    finish_reason: str
    tokens: int
    attack: str = ""
    """Kind of the attack in the rejected answer that was shown; empty where it was shown as it is.
    """
    permuted: Repeated | None = None
    """The judgement with the options in another order; None where that was not requested."""

    @property
    def agrees(self) -> bool | None:
        """True if the verdict is the pair's known preference, or None if it is undecided."""
        if self.verdict.choice is Choice.UNDECIDED:
            return None
        return (self.verdict.choice is Choice.A) == (self.order is Order.CHOSEN_FIRST)


class Example(Record, frozen=True, kw_only=True):
    """A training example: a judge prompt and the judge's own answer, which filtering kept."""

    id: str
    """`<pair id>/<order>/<sample>`."""
    images: tuple[str, ...]
    prompt: str
    completion: str


class ItemResult(Record, frozen=True, kw_only=True):
    """How one gold or held-out pair was judged in both orders (sample 0 of each)."""

    item_id: str
    category: str
    chosen_first: Choice
    rejected_first: Choice
    chosen_first_text: str = ""
    """The judge's reasoning with the chosen answer shown as A."""
    rejected_first_text: str = ""
    lengths: tuple[int, int] | None = None
    """Characters of the chosen and of the rejected answer: what a text-only baseline uses. None in
    results of an earlier version."""
    image: str = ""
    """The pair's first image, by which dependent items are grouped; empty if it is not."""
    identical: bool = False
    """True for a probe: both answers are the same text, so that neither verdict is right. Probes
    count in no accuracy."""

    @property
    def clear(self) -> bool:
        """True if both orders prefer the same answer."""
        return (self.chosen_first, self.rejected_first) in (
            (Choice.A, Choice.B),
            (Choice.B, Choice.A),
        )

    @property
    def correct(self) -> tuple[bool, bool]:
        """Whether each order was judged right; undecided counts as wrong (strict)."""
        return self.chosen_first is Choice.A, self.rejected_first is Choice.B

    @property
    def accuracy(self) -> float:
        """Share of the two orders that were judged right: 0, 0.5 or 1."""
        return sum(self.correct) / 2

    @property
    def both_orders(self) -> bool:
        """True if both orders were judged right."""
        return all(self.correct)


class ModelRef(Record, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """A reference to a model; the model itself is never passed between tasks."""

    base: str
    """Hub id, folder, s3:// URI of a model folder, or `builtin:tiny-vlm`."""
    revision: str | None = None
    base_sha256: str = ""
    """Hash of the base's files if they are available, else empty (a hub id has a revision)."""
    adapter: str | None = None
    """Key in the store, or URI, of the PEFT adapter folder; None is the base alone."""
    adapter_sha256: str = ""

    def content(self) -> tuple[str, str, str]:
        """The model's identity, wherever it is stored; part of content keys."""
        return (self.base_sha256 or self.base, self.revision or "", self.adapter_sha256)


class Dropped(Record, frozen=True, kw_only=True):
    """A row that a stage did not use, and why."""

    id: str
    reason: str
    """One of a fixed set of words, counted: `tie`, `unchanged`, `bad_record`, ..."""
    detail: str = ""
    tried: str = ""
    """How a pair was to be made of the question, such as `caption: count`."""


class JudgeVersion(Record, frozen=True, kw_only=True):
    """Identifies a judge."""

    name: str
    """As requested, such as `models:/judgeloop-tiny@champion`."""
    version: str | None
    """Of a registered judge."""
    base: str
    revision: str | None
    adapter_sha256: str
    """Empty for a base alone."""


class Shard(Record, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """One file of records in the store."""

    key: str
    sha256: str
    rows: Annotated[int, Meta(ge=0)]
    split: str = ""
    """Part of the data that the shard belongs to: `p000`, `p001`, ... or `held_out`; empty if
    the stage's output is not split."""


class Manifest(Record, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """What a stage produced: the only kind of pipeline artifact (under 1 MB).

    Fields that a newer version adds are ignored, also in nested records; an incompatible change
    gets another `schema_version`.
    """

    stage: str
    stage_version: int
    key: str
    """Content key: hash of everything that decides the result. It identifies finished work."""
    shards: tuple[Shard, ...] = ()
    counts: dict[str, Annotated[int, Meta(ge=0)]] = {}
    """By name, such as `rows` and `dropped/<reason>`. For people; code reads `counted`."""
    result: AnyResult | None = None
    """The stage's result, of the type that the table of stages declares."""
    model: ModelRef | None = None
    """The model that the stage produced, else the model that it used."""
    details: dict[str, str] = {}
    """Engine and version, prompt hash, sampling and whatever else explains the figures, for people
    to read; no code depends on it."""
    inputs: tuple[str, ...] = ()
    """Content keys of the manifests that this one was made from."""
    partition: int | None = None
    seed: int = 0
    schema_version: int = SCHEMA_VERSION

    @property
    def rows(self) -> int:
        """Number of records in all shards."""
        return sum(shard.rows for shard in self.shards)

    @property
    def counted(self) -> Counts:
        """The counts."""
        return read_counts(self.counts)

    @property
    def input_rows(self) -> int:
        """Number of rows that the stage read."""
        return self.counted.inputs

    @property
    def dropped(self) -> dict[str, int]:
        """Numbers of rows that were not used, by reason."""
        return self.counted.dropped

    @property
    def tokens(self) -> dict[str, int]:
        """Numbers of tokens, by kind (`prompt`, `completion`); empty if none were counted."""
        return self.counted.tokens

    def expect(self, kind: type[T]) -> T:
        """Returns the result, checked to be of the type `kind`.

        Raises:
            DataError: It is of another kind, or there is none.
        """
        if isinstance(self.result, kind):
            return self.result
        raise DataError(
            f"{self.stage}/{self.key}: its manifest holds no {kind.__name__} but "
            f"{type(self.result).__name__}; give the manifest of another stage, or run it again"
        )


R = TypeVar("R")
_encoder = msgspec.json.Encoder(order="deterministic")


def to_json(record: object) -> bytes:
    """Encodes a record as one line of JSON, the same bytes for the same content."""
    return _encoder.encode(record)


def from_json(data: bytes | str, kind: type[R], where: str) -> R:
    """Decodes one record.

    Args:
        data: One JSON object.
        kind: The record's class.
        where: File and line, or key, for the error.

    Raises:
        DataError: The text is not a record of this kind.
    """
    try:
        return msgspec.json.decode(data, type=decodable(kind))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        name = getattr(kind, "__name__", str(kind))
        raise DataError(f"{where}: not a {name}: {error}. Fix or remove this record.") from error
