"""Opens a data set of any kind as a stream of rows, by the builders of `datasets`.

JSON and tables of text are read here: those builders reject a whole file for one broken line, turn
an id such as "0012" into a number, and return fields of mixed types (LLaVA's `image`) as JSON
strings.
"""

from __future__ import annotations

import csv
import json
import logging
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from judgeloop.data.file_format import (
    CSV,
    JSON_ARRAY,
    TO_UTF8,
    TSV,
    Rows,
    not_utf8,
    other_format,
    refuse_other_formats,
)
from judgeloop.data.source import Source, open_source
from judgeloop.schema.errors import ConfigError, DataError, JudgeLoopError
from judgeloop.schema.home import expand_home
from judgeloop.schema.records import Dropped
from judgeloop.store import FolderStore, Store, open_store
from judgeloop.store.scratch import scratch_folder

if TYPE_CHECKING:
    from datasets import IterableDataset

Row = dict[str, Any]
_HUB = re.compile(
    r"hf://datasets/(?P<name>[\w.-]+/[\w.-]+)(?:@(?P<revision>[^/\s]+))?(?:/(?P<subset>.+))?"
)
_LISTED = ("metadata.jsonl", "questions.jsonl", "qa.jsonl")
"""Files of rows that are looked for in a folder or below an S3 prefix, in this order."""
_NO_UTF8 = re.compile("[\udc80-\udcff]")
"""Bytes that are not UTF-8, as `surrogateescape` decodes them."""
_BUILDERS = {".parquet": "parquet", ".tar": "webdataset"}
_KINDS = (
    "a hub data set (hf://datasets/OWNER/NAME@REVISION/SUBSET), a saved data set, an image folder "
    "with metadata.jsonl, .jsonl, .json, .csv, .tsv, .parquet or .tar files, a folder or s3:// "
    "prefix of them"
)


class Opened(msgspec.Struct, frozen=True):
    """A data set whose rows can be read once."""

    rows: Iterator[tuple[str, Row | Dropped]]
    """Each row with its place, such as `file:3`."""
    folder: Store | None
    """Folder to which image paths of the rows are relative; None if images are in the rows."""


@contextmanager
def open_rows(source: str) -> Iterator[Opened]:
    """Opens a data set for a block of work; rows are streamed.

    Args:
        source: One of the kinds that `_KINDS` lists.

    Raises:
        ConfigError: It is none of these.
        DataError: It is missing, or cannot be read as its format.
    """
    if source.startswith("hf://"):
        yield Opened(_streamed(source, partial(_hub, source)), None)
    elif source.startswith("s3://") and not source.endswith(".jsonl"):
        with _below_prefix(source) as opened:
            yield opened
    elif source.endswith(".jsonl"):
        with _lines(source) as opened:
            yield opened
    else:
        with _local(expand_home(source)) as opened:
            yield opened


@contextmanager
def _lines(source: str) -> Iterator[Opened]:
    def no_world(_: Path) -> Path:
        raise ConfigError(f"{source} is no file")

    with open_source(source, no_world) as opened:
        yield Opened(_decoded(opened), opened.folder)


def _decoded(source: Source) -> Iterator[tuple[str, Row | Dropped]]:
    for number, line in enumerate(source.lines(), start=1):
        if not line.strip():
            continue
        place = f"{source.name}:{number}"
        try:
            yield place, _object(json.loads(line), place)
        except UnicodeDecodeError as error:
            yield place, _unread(place, not_utf8(error))
        except (ValueError, RecursionError) as error:
            yield place, _unread(place, f"JSON is malformed: {error}")


def _unread(place: str, detail: str) -> Dropped:
    return Dropped(id=place, reason="bad_record", detail=f"{place}: {detail}")


def _items(file: Path) -> Iterator[tuple[str, Row | Dropped]]:
    """Yields the objects of a JSON array, one in memory at a time."""
    import ijson

    number = 0
    with file.open("rb") as opened:
        if opened.read(len(BOM_UTF8)) != BOM_UTF8:
            opened.seek(0)
        try:
            for number, row in enumerate(ijson.items(opened, "item", use_float=True), start=1):
                yield f"{file}:{number}", _object(row, f"{file}:{number}")
        except (ijson.JSONError, UnicodeDecodeError) as error:
            place = f"{file}:{number + 1}"
            said = str(error.args[0] if error.args else error).partition("\n")[0].rstrip(".")
            said = "it is not UTF-8; " + TO_UTF8 if "UTF8" in said or "utf-8" in said else said
            yield place, _unread(place, f"the array cannot be read from here on: {said}")


def _table(file: Path) -> Iterator[tuple[str, Row | Dropped]]:
    """Yields the rows of a CSV or TSV file whose first line names the columns.

    Empty cells are left out, and a cell that holds a JSON array becomes a list.

    Raises:
        DataError: Two columns have one name.
    """
    number = 0
    with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as opened:
        head = opened.readline()
        opened.seek(0)
        semicolons = head.count(";") > head.count(",")
        delimiter = "\t" if file.suffix == ".tsv" else ";" if semicolons else ","
        try:
            rows = csv.DictReader(opened, delimiter=delimiter)
            names = rows.fieldnames or ()
            if twice := [name for name in names if name and list(names).count(name) > 1]:
                raise DataError(f"{file}: two columns are called {twice[0]!r}; rename one")
            for number, row in enumerate(rows, start=1):
                place = f"{file}:{number}"
                if None in row:
                    yield place, _unread(place, "the row has more cells than there are columns")
                elif _NO_UTF8.search("".join(f"{name}{text}" for name, text in row.items())):
                    yield place, _unread(place, f"it is not UTF-8; {TO_UTF8}")
                else:
                    yield place, {name: _cell(text) for name, text in row.items() if text}
        except csv.Error as error:
            place = f"{file}:{number + 1}"
            yield place, _unread(place, f"the table cannot be read from here on: {error}")


def _cell(text: str) -> str | list[Any]:
    if text.startswith("["):
        with suppress(ValueError, RecursionError):
            return list(json.loads(text))
    return text


def _object(row: object, place: str) -> Row | Dropped:
    if isinstance(row, dict):
        return row
    return _unread(place, f"a JSON {type(row).__name__}, not an object")


@contextmanager
def _local(path: Path) -> Iterator[Opened]:
    if path.is_file() and path.suffix == ".json":
        refuse_other_formats(path, str(path), Rows.QUESTIONS, (JSON_ARRAY,))
        if other_format(path) is JSON_ARRAY:
            yield Opened(_items(path), FolderStore(path.parent))
        else:
            with _lines(str(path)) as opened:
                yield opened
        return
    if path.is_file() and path.suffix in (".csv", ".tsv"):
        refuse_other_formats(path, str(path), Rows.QUESTIONS, (CSV, TSV))
        yield Opened(_table(path), FolderStore(path.parent))
        return
    if path.is_file():
        builder = _BUILDERS.get(path.suffix)
        if builder is None:
            refuse_other_formats(path, str(path), Rows.QUESTIONS)
            raise ConfigError(f"{path}: the format {path.suffix!r} is not known; give {_KINDS}")
        yield _files(builder, [path], path.parent)
        return
    if not path.is_dir():
        raise ConfigError(f"{path}: there is no such file or folder; give {_KINDS}")
    if any((path / name).is_file() for name in ("state.json", "dataset_dict.json")):
        yield Opened(_streamed(str(path), partial(_saved, path)), FolderStore(path))
        return
    if (path / "metadata.jsonl").is_file() or (path / "metadata.csv").is_file():
        yield Opened(_streamed(str(path), partial(_image_folder, path)), FolderStore(path))
        return
    for suffix in (".parquet", ".tar"):
        if files := sorted(path.rglob(f"*{suffix}")):
            yield _files(_BUILDERS[suffix], files, path)
            return
    listed = [path / name for name in _LISTED if (path / name).is_file()]
    listed = listed or sorted(path.glob("*.jsonl"))
    if not listed:
        raise ConfigError(f"{path}: the folder holds no data set that is known; give {_KINDS}")
    with _lines(str(listed[0])) as opened:
        yield opened


def _files(builder: str, files: list[Path], folder: Path) -> Opened:
    rows = (
        numbered
        for file in files
        for numbered in _streamed(str(file), partial(_built, builder, file))
    )
    return Opened(rows, FolderStore(folder))


@contextmanager
def _below_prefix(source: str) -> Iterator[Opened]:
    """Reads files of rows one at a time through a scratch folder; images stay where they are."""
    store = open_store(source)
    names = store.list("")
    for name in _LISTED:
        if name in names:
            with _lines(f"{store.uri}/{name}") as opened:
                yield opened
            return
    files = [name for name in names if name.endswith((".parquet", ".tar"))]
    if not files:
        raise DataError(
            f"{source}: nothing below this prefix ends in .parquet or .tar, and there is none of "
            f"{', '.join(_LISTED)}"
        )

    def rows() -> Iterator[tuple[str, Row | Dropped]]:
        for name in files:
            with scratch_folder("source") as scratch:
                file = Path(scratch) / Path(name).name
                store.download(name, file)
                place, builder = f"{store.uri}/{name}", _BUILDERS[file.suffix]
                yield from _streamed(place, partial(_built, builder, file))

    yield Opened(rows(), store)


def _streamed(
    name: str, open_data_set: Callable[[], IterableDataset]
) -> Iterator[tuple[str, Row | Dropped]]:
    """Yields a data set's rows, images as bytes; its builder's exceptions become `DataError`.

    Raises:
        DataError: The data set cannot be read.
    """
    logging.getLogger("datasets").setLevel(logging.ERROR)
    number = 0
    try:
        opened = open_data_set()
        if opened.features is not None:
            opened = opened.decode(False)
        for number, row in enumerate(opened, start=1):
            yield f"{name}:{number}", row
    except JudgeLoopError:
        raise
    except Exception as error:  # the builders raise whatever the libraries of their formats raise
        remedy = "check that the file is whole and what its name says"
        if isinstance(error, UnicodeDecodeError):
            remedy = TO_UTF8
        elif name.startswith("hf://"):
            remedy = "check its name and revision, the network, and HF_TOKEN where access needs it"
        raise DataError(
            f"{name}: cannot be read after row {number} ({type(error).__name__}: {error}); {remedy}"
        ) from error


def _hub(source: str) -> IterableDataset:
    from datasets import load_dataset

    found = _HUB.fullmatch(source)
    if found is None or found["revision"] is None:
        raise ConfigError(
            f"{source}: give hf://datasets/OWNER/NAME@REVISION, and /SUBSET where there are "
            "several; without a revision the rows may be others tomorrow"
        )
    return load_dataset(
        found["name"], found["subset"], revision=found["revision"], split="train", streaming=True
    )


def _built(builder: str, file: Path) -> IterableDataset:
    from datasets import load_dataset

    return load_dataset(builder, data_files=str(file), split="train", streaming=True)


def _image_folder(path: Path) -> IterableDataset:
    from datasets import load_dataset

    return load_dataset("imagefolder", data_dir=str(path), split="train", streaming=True)


def _saved(path: Path) -> IterableDataset:
    from datasets import DatasetDict, load_from_disk

    found = load_from_disk(str(path))
    if isinstance(found, DatasetDict):
        if "train" not in found:
            raise DataError(
                f"{path}: it has no split `train` but {', '.join(found)}; give one's folder"
            )
        found = found["train"]
    return found.to_iterable_dataset()
