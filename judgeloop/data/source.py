"""Opens a data set: a JSONL file with images beside it, in a folder, on S3, or generated."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from judgeloop.data.file_format import Rows, refuse_other_formats
from judgeloop.schema.errors import ConfigError, DataError, StoreError
from judgeloop.store import FolderStore, MissingObjectError, Store, checked_key, open_store
from judgeloop.store.scratch import scratch_folder

TINY_WORLD = "tiny-world"


class Source(msgspec.Struct, frozen=True):
    """An open data set."""

    folder: Store
    """Holds the images at the paths that the file's rows name."""
    file: Path
    """The JSONL file, on the local disk while the source is open."""
    name: str
    """The file's place for messages."""
    columns: Mapping[str, str] = {}
    """Which column holds which of our fields, where rows have other names."""

    def lines(self) -> Iterator[bytes]:
        """Yields the file's lines, one in memory at a time, without a byte order mark."""
        with self.file.open("rb") as file:
            if file.read(len(BOM_UTF8)) != BOM_UTF8:
                file.seek(0)
            yield from file


@contextmanager
def open_source(
    uri: str,
    make: Callable[[Path], Path],
    rows: Rows = Rows.QUESTIONS,
    columns: Mapping[Any, str] | None = None,
) -> Iterator[Source]:
    """Opens a data set for a block of work.

    Args:
        uri: `tiny-world`, a path or an s3:// URI of a JSONL file.
        make: Writes the tiny world's data set into a folder and returns its JSONL file.
        rows: What its rows are; a file of another format is refused with a hint on how to convert
            it.
        columns: Which column of a row holds which of our fields (`judgeloop.data.columns`).

    Raises:
        ConfigError: The URI does not name a file that can be opened.
        DataError: The file is missing, or of another format than JSONL.
    """
    with scratch_folder("source") as name:
        if uri == TINY_WORLD:
            file = make(Path(name))
            yield Source(FolderStore(file.parent), file, f"{TINY_WORLD}/{file.name}")
            return
        parent, _, file_name = uri.rpartition("/")
        folder, file = _folder(uri, parent, file_name), Path(name) / "rows.jsonl"
        place = f"{folder.uri}/{file_name}"
        try:
            folder.download(file_name, file)
        except MissingObjectError as error:
            raise DataError(
                f"{place}: no such file; give the path or s3:// URI of a JSONL file"
            ) from error
        refuse_other_formats(file, place, rows)
        yield Source(folder, file, place, columns or {})


def _folder(uri: str, parent: str, file_name: str) -> Store:
    remedy = f"give `{TINY_WORLD}`, or the path or s3:// URI of a JSONL file"
    try:
        checked_key(file_name)
    except StoreError as error:
        raise ConfigError(f"data set {uri!r} names no file: {remedy}") from error
    try:
        return open_store(parent or ("/" if uri.startswith("/") else "."))
    except ConfigError as error:
        raise ConfigError(f"data set {uri!r} cannot be opened: {remedy}") from error
