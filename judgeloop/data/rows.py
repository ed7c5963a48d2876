"""Rows of a JSONL data set: good ones become records, bad ones are quarantined with a reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any, TypeVar

import msgspec

from judgeloop.data.columns import renamed
from judgeloop.data.file_format import not_utf8
from judgeloop.data.further_fields import further_fields
from judgeloop.data.images import SourceImages
from judgeloop.data.media_marks import without_media_marks
from judgeloop.data.question_kind import find_kind
from judgeloop.data.same_text import same_text_key
from judgeloop.data.source import Source
from judgeloop.schema.decoding import decodable
from judgeloop.schema.errors import DataError
from judgeloop.schema.keys import content_key
from judgeloop.schema.records import Dropped, Kind, Labelled, Pair, Question
from judgeloop.store.disk_dict import DiskDict

T = TypeVar("T", "QuestionRow", "GoldRow")
R = TypeVar("R", Question, Pair)
MAX_TEXT = 20_000
"""Characters of a question or answer above which a row is quarantined."""
MAX_CHOICES = 26
"""Options are named by letters."""


class QuestionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a questions file: `images` are paths relative to the file. It has no answer."""

    id: str
    images: list[str]
    text: str
    kind: Kind | None = None
    """None: the subset or the wording decides, see `judgeloop.data.question_kind`."""
    choices: list[str] | None = None
    source: str = ""
    license: str = ""
    meta: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    """Fields that this class does not name, and those of a field `meta`."""


class GoldRow(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a gold file: a pair whose better answer is known from outside."""

    id: str
    images: list[str]
    question: str
    kind: Kind
    category: str
    chosen: str
    rejected: str
    choices: list[str] | None = None
    meta: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


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


def good_rows(source: Source, kind: type[T], limit: int | None = None) -> Iterator[T]:
    """Yields the rows of the good lines of a file; bad ones are skipped."""
    for _, row in _rows(source, kind, limit):
        if not isinstance(row, Dropped):
            yield row


def read_questions(
    source: Source, images: SourceImages, limit: int | None, kinds: Mapping[str, Kind]
) -> Iterator[Question | Dropped]:
    """Yields a question, or the reason against it, for each line of a questions file.

    Args:
        source: The data set.
        images: What is known of its images.
        limit: Lines that are read at most; None reads all.
        kinds: Kinds of subsets, by subset name, for rows that state no kind.
    """

    def make(row: QuestionRow, images: tuple[str, ...]) -> Question:
        text = _question(row.text, "text", images)
        found = find_kind(text, row.kind, row.source, kinds)
        return Question(
            id=row.id,
            images=images,
            text=text,
            kind=found.kind,
            kind_unsure=True if found.unsure else msgspec.UNSET,
            choices=_choices(row.choices) or found.choices,
            source=row.source,
            license=row.license,
            meta=row.meta,
        )

    yield from _read(source, images, limit, QuestionRow, make)


def read_gold(source: Source, images: SourceImages, limit: int | None) -> Iterator[Pair | Dropped]:
    """Yields a labelled pair, or the reason against it; arguments as for `read_questions`.

    Of equal pairs under several ids the first is kept; contradicting ones, where one row's chosen
    answer is the other's rejected one, are all dropped.
    """
    seen: DiskDict[str, str] = DiskDict()
    contradicted: DiskDict[str, str] = DiskDict()
    for place, row in _rows(source, GoldRow, limit):
        if not isinstance(row, Dropped):
            pair, direction = _content(row, images)
            if not seen.add(pair, f"{direction} {place}") and seen[pair][0] != direction:
                contradicted.add(pair, place)
    kept: DiskDict[str, str] = DiskDict()

    def make(row: GoldRow, hashes: tuple[str, ...]) -> Pair | Dropped:
        question = Question(
            id=row.id,
            images=hashes,
            text=_question(row.question, "question", hashes),
            kind=row.kind,
            choices=_choices(row.choices),
            meta=row.meta,
        )
        made = Pair(
            id=row.id,
            question=question,
            chosen=_text(row.chosen, "chosen"),
            rejected=_text(row.rejected, "rejected"),
            origin=Labelled(category=_text(row.category, "category")),
        )
        if same_text_key(row.chosen) == same_text_key(row.rejected):
            raise DataError(
                "chosen and rejected are the same text, but for white space, case or Unicode form"
            )
        pair, direction = _content(row, images)
        if pair in contradicted:
            first = seen[pair][2:]
            other = first if seen[pair][0] != direction else contradicted[pair]
            detail = f"{other} prefers the other answer; remove the wrong one"
            return Dropped(id=row.id, reason="contradiction", detail=detail)
        if not kept.add(pair, row.id):
            detail = f"{seen[pair][2:]} is the same pair, under another id"
            return Dropped(id=row.id, reason="duplicate_pair", detail=detail)
        return made

    yield from _read(source, images, limit, GoldRow, make)


def _content(row: GoldRow, images: SourceImages) -> tuple[str, str]:
    """Returns a key of a pair's content, the same in both directions, and the direction, 0 or 1."""
    answers = [same_text_key(row.chosen), same_text_key(row.rejected)]
    pictures = [images.known_hash(name) or name for name in row.images]
    options = [same_text_key(option) for option in row.choices or ()]
    question = row.question
    with suppress(DataError):  # the row is quarantined for it later
        question = without_media_marks(question, len(row.images))
    pair = content_key(pictures, same_text_key(question), options, sorted(answers))
    return pair, str(int(answers[0] > answers[1]))


def _read(
    source: Source,
    images: SourceImages,
    limit: int | None,
    kind: type[T],
    make: Callable[[T, tuple[str, ...]], R | Dropped],
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
            made = make(row, hashes)
        except DataError as error:
            made = Dropped(id=row.id, reason="bad_text", detail=str(error))
        if isinstance(made, Dropped):
            made = msgspec.structs.replace(made, detail=f"{place}: {made.detail}")
        yield made


def _rows(source: Source, kind: type[T], limit: int | None) -> Iterator[tuple[str, T | Dropped]]:
    """Yields each line's place, and its row or the reason against it."""
    seen: DiskDict[str, str] = DiskDict()
    numbered = ((n, line) for n, line in enumerate(source.lines(), start=1) if line.strip())
    for number, line in islice(numbered, limit):
        place = f"{source.name}:{number}"
        try:
            fields = json.loads(line, object_pairs_hook=_without_repeated_keys)
            if source.columns and kind is QuestionRow and isinstance(fields, dict):
                fields = renamed(fields, source.columns)
                row = msgspec.convert(fields, decodable(kind))
            else:
                row = msgspec.json.decode(line, type=decodable(kind))
            row = msgspec.structs.replace(row, meta=further_fields(fields, kind))
        except json.JSONDecodeError as error:
            said = f"JSON is malformed: {error.msg} at character {error.pos + 1}"
            yield place, Dropped(id=place, reason="bad_record", detail=f"{place}: {said}")
            continue
        except RecursionError:
            said = "a value is nested too deep"
            yield place, Dropped(id=place, reason="bad_record", detail=f"{place}: {said}")
            continue
        except (ValueError, DataError) as error:
            yield place, Dropped(id=place, reason="bad_record", detail=f"{place}: {_said(error)}")
            continue
        if not row.id or not seen.add(row.id, place):
            reason = "duplicate_id" if row.id else "empty_id"
            detail = f"{place}: an earlier row has this id" if row.id else f"{place}: id is empty"
            yield place, Dropped(id=row.id or place, reason=reason, detail=detail)
            continue
        yield place, row


def _without_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuses a key that occurs twice, where a parser would silently take the last."""
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise DataError(f"the key `{repeated}` occurs twice")
    return made


def _said(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return not_utf8(error)
    known = f"; known: {', '.join(Kind)}" if "enum value" in str(error) else ""
    return f"{error}{known}"


def _choices(choices: list[str] | None) -> tuple[str, ...] | None:
    if choices is None:
        return None
    if not 2 <= len(choices) <= MAX_CHOICES:
        raise DataError(f"choices has {len(choices)} options, 2 to {MAX_CHOICES} are possible")
    return tuple(_text(choice, f"choices[{n}]") for n, choice in enumerate(choices))


def _question(text: str, field: str, images: tuple[str, ...]) -> str:
    return _text(without_media_marks(_text(text, field), len(images)), field)


def _text(text: str, field: str) -> str:
    if not text.strip():
        raise DataError(f"{field} is empty")
    if len(text) > MAX_TEXT:
        raise DataError(f"{field} has {len(text)} characters, the limit is {MAX_TEXT}")
    return text
