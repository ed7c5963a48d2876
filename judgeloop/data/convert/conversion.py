"""Writes a converted data set: `questions.jsonl`, `images/`, rejected rows, and a summary."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from judgeloop.data.convert.layouts import Draft, TextOnlyError, checked_columns, read_row
from judgeloop.data.convert.opening import Opened, open_rows
from judgeloop.data.convert.pictures import Fetched, Pictures
from judgeloop.data.rejections import Rejections
from judgeloop.data.rows import QuestionRow
from judgeloop.schema.errors import ConfigError, DataError
from judgeloop.schema.home import expand_home
from judgeloop.schema.printable import printable
from judgeloop.schema.records import Dropped, to_json
from judgeloop.store.disk_dict import DiskDict

QUESTIONS = "questions.jsonl"
UNFINISHED = f".{QUESTIONS}"
"""Name of the questions file until the whole source has been read."""
IMAGES = "images"
QUARANTINE = "quarantine.jsonl"
SUMMARY = "conversion.json"


class Conversion(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a data set."""

    source: str
    rows: int
    questions: int
    dropped: dict[str, int]
    """By reason; a row without an image is `text_only`."""
    images: int
    """Files in `images/`; duplicates are stored once."""
    by_source: dict[str, int]
    """Questions by where they are from."""
    by_license: dict[str, int]
    """Questions by license; those that state none are under an empty string."""


def convert(source: str, out: Path, columns: Mapping[str, str]) -> Conversion:
    """Converts a data set.

    Args:
        source: See `judgeloop.data.convert.opening`.
        out: A folder that is new or empty, or holds only the rejected rows of a failed conversion.
        columns: Which column holds which of our fields, where they have unusual names.

    Raises:
        ConfigError: The source is of no known kind, or the folder is not empty.
        DataError: The source cannot be read, or no row of it can be used.
    """
    mapping = checked_columns(columns)
    if out.exists() and (not out.is_dir() or {file.name for file in out.iterdir()} - {QUARANTINE}):
        raise ConfigError(f"{out}: already exists; give a new folder")
    with open_rows(source) as opened:
        (out / IMAGES).mkdir(parents=True, exist_ok=True)
        try:
            found = _write(source, out, opened, mapping)
        except BaseException:  # the same folder can be given again
            shutil.rmtree(out / IMAGES, ignore_errors=True)
            (out / UNFINISHED).unlink(missing_ok=True)
            raise
    (out / SUMMARY).write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    return found


def _write(source: str, out: Path, opened: Opened, columns: Mapping[str, str]) -> Conversion:
    pictures = Pictures(opened.folder, out / IMAGES)
    rejections, sources, licenses = Rejections(), Counter[str](), Counter[str]()
    seen: DiskDict[str, str] = DiskDict()
    rows = questions = 0
    unfinished = out / UNFINISHED
    with unfinished.open("wb") as good, (out / QUARANTINE).open("wb") as bad:
        for place, draft, images in pictures.placed(_drafts(source, opened, columns)):
            rows += 1
            question = _question(place, draft, images, seen)
            if isinstance(question, Dropped):
                rejections.add(question)
                bad.write(to_json(question) + b"\n")
                continue
            questions += 1
            sources[question.source] += 1
            licenses[question.license] += 1
            good.write(to_json(question) + b"\n")
    if not rows:
        raise DataError(f"{source}: there is no row in it")
    if not questions:
        error = rejections.no_usable_row(source)
        raise DataError(f"{error}. {out / QUARANTINE} has the reason for each row")
    unfinished.replace(out / QUESTIONS)
    return Conversion(
        source=source,
        rows=rows,
        questions=questions,
        dropped=dict(sorted(rejections.dropped.items())),
        images=sum(1 for _ in (out / IMAGES).iterdir()),
        by_source=dict(sorted(sources.items())),
        by_license=dict(sorted(licenses.items())),
    )


def _drafts(
    source: str, opened: Opened, columns: Mapping[str, str]
) -> Iterator[tuple[str, Draft | Dropped]]:
    for place, row in opened.rows:
        if isinstance(row, Dropped):
            yield place, row
            continue
        try:
            yield place, read_row(row, _without_folder(place, source), columns)
        except DataError as error:
            reason = "text_only" if isinstance(error, TextOnlyError) else "bad_record"
            detail = f"{place}: {printable(str(error))}"
            yield place, Dropped(id=place, reason=reason, detail=detail)


def _without_folder(place: str, source: str) -> str:
    """Returns a row's place without the folders above its source.

    A row without an id takes its place as id, and random draws by id must not depend on the
    source's location.
    """
    if "://" in source:
        return place
    file, _, number = place.rpartition(":")
    above = os.path.dirname(os.path.abspath(expand_home(source)))
    below = os.path.relpath(os.path.abspath(file), above)
    return f"{os.path.basename(file) if below.startswith('..') else below}:{number}"


def _question(
    place: str, draft: Draft | Dropped, images: list[Fetched], seen: DiskDict[str, str]
) -> QuestionRow | Dropped:
    if isinstance(draft, Dropped):
        return draft
    fault = next((image.fault for image in images if image.fault), "")
    if fault:
        return Dropped(id=draft.id, reason="bad_image", detail=f"{place}: {fault}")
    if not seen.add(draft.id, place):
        detail = f"{place}: {seen[draft.id]} has this id"
        return Dropped(id=draft.id, reason="duplicate_id", detail=detail)
    return QuestionRow(
        id=draft.id,
        images=[f"{IMAGES}/{image.name}" for image in images],
        text=draft.text,
        kind=draft.kind,
        choices=None if draft.choices is None else list(draft.choices),
        source=draft.source,
        license=draft.license,
    )
