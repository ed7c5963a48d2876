"""Rows of a JSONL data set: good ones become records, bad ones are quarantined with a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import TypeVar

import msgspec

from judgeloop.data.images import SourceImages
from judgeloop.data.source import Source
from judgeloop.method.routing.form import route
from judgeloop.schema.decoding import decodable
from judgeloop.schema.errors import DataError
from judgeloop.schema.records import Dropped, Kind, Labelled, Pair, Question
from judgeloop.store.disk_dict import DiskDict

T = TypeVar("T", "QuestionRow", "GoldRow")
R = TypeVar("R", Question, Pair)
MAX_TEXT = 20_000
"""Characters of a question or answer above which a row is quarantined."""
MAX_CHOICES = 26
"""Options are named by letters."""


class QuestionRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of a questions file: `images` are paths relative to the file. It has no answer."""

    id: str
    images: list[str]
    text: str
    kind: Kind | None = None
    """None: the wording decides, see `judgeloop.method.routing`."""
    choices: list[str] | None = None
    source: str = ""


class GoldRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of a gold file: a pair whose better answer is known from outside."""

    id: str
    images: list[str]
    question: str
    kind: Kind
    category: str
    chosen: str
    rejected: str


def image_names(source: Source, kind: type[T], limit: int | None) -> Iterator[str]:
    """Yields the images that the good lines of a file name, in order of mention.

    Args:
        source: The data set.
        kind: What its lines are.
        limit: Lines that are read at most; None reads all.
    """
    for _, row in _rows(source, kind, limit):
        if not isinstance(row, Dropped):
            yield from row.images


def read_questions(
    source: Source, images: SourceImages, limit: int | None
) -> Iterator[Question | Dropped]:
    """Yields a question, or the reason against it, for each line of a questions file.

    Args:
        source: The data set.
        images: What is known of its images.
        limit: Lines that are read at most; None reads all.
    """

    def make(row: QuestionRow, images: tuple[str, ...]) -> Question:
        routed = route(_text(row.text, "text"))
        kind = row.kind or routed.kind
        choices = _choices(row.choices)
        if choices is None and kind is Kind.MULTIPLE_CHOICE:
            choices = routed.choices
        return Question(
            id=row.id, images=images, text=row.text, kind=kind, choices=choices, source=row.source
        )

    yield from _read(source, images, limit, QuestionRow, make)


def read_gold(source: Source, images: SourceImages, limit: int | None) -> Iterator[Pair | Dropped]:
    """Yields a labelled pair, or the reason against it; the arguments are `read_questions`'."""

    def make(row: GoldRow, images: tuple[str, ...]) -> Pair:
        if row.chosen == row.rejected:
            raise DataError("chosen and rejected are the same text")
        question = Question(
            id=row.id, images=images, text=_text(row.question, "question"), kind=row.kind
        )
        return Pair(
            id=row.id,
            question=question,
            chosen=_text(row.chosen, "chosen"),
            rejected=_text(row.rejected, "rejected"),
            origin=Labelled(category=_text(row.category, "category")),
        )

    yield from _read(source, images, limit, GoldRow, make)


def no_usable_row(source: Source, counts: Mapping[str, int], first: Dropped | None) -> DataError:
    """Returns the error for a data set of which nothing is left.

    Args:
        source: The data set.
        counts: Rows by `dropped/<reason>`, among others.
        first: The first row that was dropped; None where there is no row.
    """
    if first is None:
        return DataError(f"{source.name}: the file is empty; give one JSON object a line")
    reasons = ", ".join(
        f"{count} {name.removeprefix('dropped/')}"
        for name, count in sorted(counts.items())
        if name.startswith("dropped/")
    )
    return DataError(f"{source.name}: no usable row: {reasons}. The first: {first.detail}")


def _read(
    source: Source,
    images: SourceImages,
    limit: int | None,
    kind: type[T],
    make: Callable[[T, tuple[str, ...]], R],
) -> Iterator[R | Dropped]:
    for place, row in _rows(source, kind, limit):
        if isinstance(row, Dropped):
            yield row
            continue
        try:
            hashes = images.hashes(row.images)
        except DataError as error:
            yield Dropped(id=row.id, reason="bad_image", detail=f"{place}: {error}")
            continue
        try:
            yield make(row, hashes)
        except DataError as error:
            yield Dropped(id=row.id, reason="bad_text", detail=f"{place}: {error}")


def _rows(source: Source, kind: type[T], limit: int | None) -> Iterator[tuple[str, T | Dropped]]:
    """Yields each line's place, and its row or the reason against it."""
    seen: DiskDict[str, str] = DiskDict()
    numbered = ((n, line) for n, line in enumerate(source.lines(), start=1) if line.strip())
    for number, line in islice(numbered, limit):
        place = f"{source.name}:{number}"
        try:
            row = msgspec.json.decode(line, type=decodable(kind))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            yield place, Dropped(id=place, reason="bad_record", detail=f"{place}: {_said(error)}")
            continue
        if not row.id or not seen.add(row.id, place):
            reason = "duplicate_id" if row.id else "empty_id"
            detail = f"{place}: an earlier row has this id" if row.id else f"{place}: id is empty"
            yield place, Dropped(id=row.id or place, reason=reason, detail=detail)
            continue
        yield place, row


def _said(error: Exception) -> str:
    known = f"; known: {', '.join(Kind)}" if "enum value" in str(error) else ""
    return f"{error}{known}"


def _choices(choices: list[str] | None) -> tuple[str, ...] | None:
    if choices is None:
        return None
    if not 2 <= len(choices) <= MAX_CHOICES:
        raise DataError(f"choices has {len(choices)} options, 2 to {MAX_CHOICES} are possible")
    return tuple(_text(choice, f"choices[{n}]") for n, choice in enumerate(choices))


def _text(text: str, field: str) -> str:
    if not text.strip():
        raise DataError(f"{field} is empty")
    if len(text) > MAX_TEXT:
        raise DataError(f"{field} has {len(text)} characters, the limit is {MAX_TEXT}")
    return text
