"""Rows of a benchmark's files: Parquet, JSON, JSON lines or CSV, without the image bytes."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from judgeloop.data.file_format import (
    CSV,
    JSON_ARRAY,
    JSON_OBJECTS,
    OLD_MAC,
    PARQUET,
    TSV,
    Rows,
    refuse_other_formats,
)
from judgeloop.evaluation.benchmarks.base import Fault, Item, Loaded, Row
from judgeloop.schema.errors import DataError, reason_of
from judgeloop.store.checksums import sha256_file

T = TypeVar("T")
SUFFIXES = (".parquet", ".jsonl", ".json", ".csv")
_IMAGE_BYTES = ("image.bytes", "Image.bytes")
_BATCH_ROWS = 200
_FORMATS = {
    ".parquet": (PARQUET,),
    ".json": (JSON_ARRAY, JSON_OBJECTS),
    ".csv": (CSV, TSV, OLD_MAC),
}
"""Formats other than JSON Lines, by file name suffix."""


def find_files(place: Path, patterns: Sequence[str]) -> list[Path]:
    """Returns the files that hold the rows.

    Args:
        place: A file, or a folder.
        patterns: File patterns in a folder; the first one with a match is used.

    Raises:
        DataError: There is no such file.
    """
    if place.is_file():
        if place.suffix not in SUFFIXES:
            raise DataError(f"{place}: not a file of rows; known are {', '.join(SUFFIXES)}")
        return [place]
    if not place.is_dir():
        raise DataError(f"{place}: no such file or folder; give the benchmark's data")
    for pattern in patterns:
        if found := sorted(path for path in place.glob(pattern) if path.is_file()):
            return found
    raise DataError(f"{place}: holds none of {', '.join(patterns)}; give the benchmark's data")


def hashes(files: Sequence[Path]) -> dict[str, str]:
    """Returns the sha256 of each file by its name."""
    return {path.name: sha256_file(path) for path in files}


def loaded(items: Iterable[Item], faults: Iterable[Fault], files: Sequence[Path]) -> Loaded:
    """Returns loaded items with the hashes of their files."""
    return Loaded(
        items=tuple(items),
        faults=tuple(faults),
        files=hashes(files),
        paths=tuple(map(str, files)),
    )


def read_rows(file: Path, faults: list[Fault]) -> Iterator[tuple[str, Row]]:
    """Yields each row with its place; a line that is not a JSON object becomes a fault.

    Raises:
        DataError: The file as a whole cannot be read.
    """
    try:
        known = _FORMATS.get(file.suffix, ())
        refuse_other_formats(file, str(file), Rows.BENCHMARK, known)
        if file.suffix == ".parquet":
            yield from _parquet(file)
        elif file.suffix == ".csv":
            text = file.read_text(encoding="utf-8-sig")
            for number, row in enumerate(csv.DictReader(io.StringIO(text)), start=1):
                yield f"{file.name} row {number}", dict(row)
        elif file.suffix == ".json":
            yield from _json_list(file)
        else:
            yield from _json_lines(file, faults)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file}: cannot be read: {reason_of(error)}") from error


def typed_rows(
    files: Sequence[Path], kind: type[T], faults: list[Fault]
) -> Iterator[tuple[str, int, T]]:
    """Yields each usable row of files with its place and its number, which counts bad rows too.

    Args:
        files: In their order; numbers start at 0 and continue from one file to the next.
        kind: Type of a row.
        faults: Rows of another type are added here.

    Raises:
        DataError: A file as a whole cannot be read.
    """
    number = -1
    for file in files:
        for where, raw in read_rows(file, faults):
            number += 1
            row = convert(where, raw, kind, faults)
            if row is not None:
                yield where, number, row


def no_usable_row(place: Path, benchmark: str, faults: Sequence[Fault]) -> DataError:
    """Returns the error for data without a usable row; quotes the most frequent fault's first."""
    if not faults:
        return DataError(f"{place}: no usable row of {benchmark}: it is empty")
    counts = Counter(fault.reason for fault in faults)
    most = max(sorted(counts), key=counts.__getitem__)
    first = next(fault for fault in faults if fault.reason == most)
    said = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))
    return DataError(
        f"{place}: no usable row of {benchmark}: {said}. The first {most}: {first.where}: "
        f"{first.detail}"
    )


def convert(where: str, row: Row, kind: type[T], faults: list[Fault]) -> T | None:
    """Checks a row's fields; a row that is not of this kind becomes a fault."""
    try:
        return msgspec.convert(row, kind)
    except (msgspec.ValidationError, ValueError) as error:
        faults.append(Fault(where=where, reason="bad_row", detail=str(error)))
        return None


def _json_lines(file: Path, faults: list[Fault]) -> Iterator[tuple[str, Row]]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            where = f"{file.name} line {number}"
            try:
                row = msgspec.json.decode(line.removeprefix(b"\xef\xbb\xbf"))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                faults.append(Fault(where=where, reason="not_json", detail=str(error)))
                continue
            if isinstance(row, dict):
                yield where, row
            else:
                found = type(row).__name__
                faults.append(Fault(where=where, reason="not_an_object", detail=f"it is a {found}"))


def _json_list(file: Path) -> Iterator[tuple[str, Row]]:
    try:
        rows = json.loads(file.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file}: not JSON: {error}. Get the file again.") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{file}: not a list of objects. Give the benchmark's own file.")
    for number, row in enumerate(rows):
        yield f"{file.name} row {number}", row


def _parquet(file: Path) -> Iterator[tuple[str, Row]]:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(file) as table:
            columns = [
                column.path
                for column in (table.schema.column(n) for n in range(len(table.schema)))
                if column.path not in _IMAGE_BYTES
            ]
            number = 0
            for batch in table.iter_batches(_BATCH_ROWS, columns=columns):
                for row in batch.to_pylist():
                    yield f"{file.name} row {number}", row
                    number += 1
    except pyarrow.ArrowException as error:
        raise DataError(f"{file}: not a Parquet file: {error}. Get the file again.") from error
