"""Rows of a JSONL data set: good ones become records, bad ones are quarantined with a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from judgeloop.errors import DataError, StoreError
from judgeloop.records import Kind, Labelled, Pair, Question
from judgeloop.shards import Dropped
from judgeloop.store import Store

T = TypeVar("T", bound=msgspec.Struct)
R = TypeVar("R", Question, Pair)
AddImage = Callable[[bytes], str]
"""Brings an image into the store and returns its hash, as `ImageLibrary.adding` gives it."""
MAX_TEXT = 20_000
"""Characters of a question or answer above which a row is quarantined."""


class QuestionRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of a questions file: `images` are paths relative to the file. It has no answer."""

    id: str
    images: list[str]
    text: str
    kind: Kind
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


def read_questions(
    data: bytes, where: str, folder: Store, add: AddImage
) -> Iterator[Question | Dropped]:
    """Yields a question, or the reason against it, for each line of a questions file."""

    def make(row: QuestionRow, images: tuple[str, ...]) -> Question:
        return Question(
            id=row.id,
            images=images,
            text=_text(row.text, "text"),
            kind=row.kind,
            choices=tuple(row.choices) if row.choices is not None else None,
            source=row.source,
        )

    yield from _read(data, where, folder, add, QuestionRow, make)


def read_gold(data: bytes, where: str, folder: Store, add: AddImage) -> Iterator[Pair | Dropped]:
    """Yields a labelled pair, or the reason against it, for each line of a gold file."""

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
            origin=Labelled(category=row.category),
        )

    yield from _read(data, where, folder, add, GoldRow, make)


def _read(
    data: bytes,
    where: str,
    folder: Store,
    add: AddImage,
    kind: type[T],
    make: Callable[[T, tuple[str, ...]], R],
) -> Iterator[R | Dropped]:
    seen: set[str] = set()
    hashes: dict[str, str] = {}
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        place = f"{where}:{number}"
        try:
            row = msgspec.json.decode(line, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            yield Dropped(id=place, reason="bad_record", detail=str(error))
            continue
        row_id: str = row.id  # type: ignore[attr-defined]
        if not row_id or row_id in seen:
            reason = "duplicate_id" if row_id else "empty_id"
            yield Dropped(id=row_id or place, reason=reason, detail=place)
            continue
        seen.add(row_id)
        try:
            images = _add_images(row.images, folder, add, hashes)  # type: ignore[attr-defined]
        except DataError as error:
            yield Dropped(id=row_id, reason="bad_image", detail=f"{place}: {error}")
            continue
        try:
            yield make(row, images)
        except DataError as error:
            yield Dropped(id=row_id, reason="bad_text", detail=f"{place}: {error}")


def _add_images(
    names: list[str], folder: Store, add: AddImage, hashes: dict[str, str]
) -> tuple[str, ...]:
    if not names:
        raise DataError("the row names no image")
    for name in names:
        if name not in hashes:
            hashes[name] = add(_read_image(name, folder))
    return tuple(hashes[name] for name in names)


def _read_image(name: str, folder: Store) -> bytes:
    """Makes a row's fault of a failure here; one of `add` is the store's, and ends the stage."""
    try:
        return folder.read(name)
    except StoreError as error:
        raise DataError(str(error)) from error


def _text(text: str, field: str) -> str:
    if not text.strip():
        raise DataError(f"{field} is empty")
    if len(text) > MAX_TEXT:
        raise DataError(f"{field} has {len(text)} characters, the limit is {MAX_TEXT}")
    return text
