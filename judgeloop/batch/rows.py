"""Rows of a file of answer pairs: good ones are judged, bad ones quarantined with a reason."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path

import msgspec

from judgeloop.data.file_format import Rows, refuse_other_formats
from judgeloop.method.judging.comparison import Side
from judgeloop.schema.errors import ConfigError, reason_of
from judgeloop.schema.records import Dropped
from judgeloop.store.disk_dict import DiskDict


class PairRow(msgspec.Struct, frozen=True, kw_only=True):
    """A line: two answers `a` and `b`, or `chosen` and `rejected`; other fields are ignored."""

    id: str
    images: list[str]
    """Paths relative to the file."""
    question: str
    a: str | None = None
    b: str | None = None
    label: Side | None = None
    """The better answer, where it is known."""
    chosen: str | None = None
    rejected: str | None = None

    def answers(self) -> tuple[str, str, Side | None] | None:
        """Returns answer a, answer b and the label; None if one of the answers is missing.

        The chosen answer becomes `a`, which favors no judge: both orders are shown.
        """
        if self.a and self.b:
            return self.a, self.b, self.label
        if self.chosen and self.rejected:
            return self.chosen, self.rejected, "a"
        return None


def read_rows(file: Path) -> Iterator[PairRow | Dropped]:
    """Yields every line's row, or the reason against it.

    Raises:
        ConfigError: There is no such file.
        DataError: It is of another format than JSONL.
    """
    seen: DiskDict[str, str] = DiskDict()
    try:
        refuse_other_formats(file, str(file), Rows.PAIRS)
        lines = file.open("rb")
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({reason_of(error)})") from error
    with lines:
        for number, line in enumerate(lines, start=1):
            if number == 1:
                line = line.removeprefix(BOM_UTF8)
            if line.strip():
                yield _row(line, f"{file.name}:{number}", seen)


def _row(line: bytes, place: str, seen: DiskDict[str, str]) -> PairRow | Dropped:
    try:
        row = msgspec.json.decode(line, type=PairRow)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Dropped(id=place, reason="bad_record", detail=f"{place}: {error}")
    if not row.id or not seen.add(row.id, place):
        detail = f"{place}: an earlier row has this id" if row.id else f"{place}: id is empty"
        return Dropped(id=row.id or place, reason="bad_id", detail=detail)
    if row.answers() is None or not row.question.strip():
        detail = f"{place}: it needs a question, and `a` and `b` or `chosen` and `rejected`"
        return Dropped(id=row.id, reason="incomplete", detail=detail)
    return row
