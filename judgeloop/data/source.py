"""Where a data set lies: a JSONL file with images beside it, in a folder, on S3, or made here."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from judgeloop.schema.errors import ConfigError, DataError, StoreError
from judgeloop.store import FolderStore, MissingObjectError, Store, checked_key, open_store
from judgeloop.store.scratch import scratch_folder

TINY_WORLD = "tiny-world"
_LOOKED_AT = 2**20
"""Bytes at the beginning of a file by which its format is told."""
_OTHER_FORMATS = {
    b"\x1f\x8b": "it is compressed by gzip; unpack it, as `gunzip` does",
    b"BZh": "it is compressed by bzip2; unpack it, as `bunzip2` does",
    b"\xfd7zXZ": "it is compressed by xz; unpack it, as `unxz` does",
    b"\x28\xb5\x2f\xfd": "it is compressed by zstd; unpack it, as `unzstd` does",
    b"PK\x03\x04": "it is a zip archive; unpack it, and give the JSONL file in it",
    b"PAR1": "it is a Parquet file; write its rows as JSONL and its images as files beside it",
    b"\xff\xfe": "it is in UTF-16; convert it to UTF-8, as `iconv -f UTF-16 -t UTF-8` does",
    b"\xfe\xff": "it is in UTF-16; convert it to UTF-8, as `iconv -f UTF-16 -t UTF-8` does",
}


class Source(msgspec.Struct, frozen=True):
    """An open data set."""

    folder: Store
    """Holds the images at the paths that the file's rows name."""
    file: Path
    """The JSONL file, on the local disk while the source is open."""
    name: str
    """The file's place for messages."""

    def lines(self) -> Iterator[bytes]:
        """Yields the file's lines, one in memory at a time, without a byte order mark."""
        with self.file.open("rb") as file:
            if file.read(len(BOM_UTF8)) != BOM_UTF8:
                file.seek(0)
            yield from file


@contextmanager
def open_source(uri: str, make: Callable[[Path], Path]) -> Iterator[Source]:
    """Opens a data set for a block of work.

    Args:
        uri: `tiny-world`, a path or an s3:// URI of a JSONL file.
        make: Writes the tiny world's data set into a folder and returns its JSONL file.

    Raises:
        ConfigError: The URI is of no file that can be opened.
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
        _check_format(file, place)
        yield Source(folder, file, place)


def _check_format(file: Path, place: str) -> None:
    """Refuses a file that is no JSONL as a whole, with what to do.

    Raises:
        DataError: It is of another format.
    """
    with file.open("rb") as opened:
        head = opened.read(_LOOKED_AT)
    for magic, what in _OTHER_FORMATS.items():
        if head.startswith(magic):
            raise DataError(f"{place}: {what}")
    text = head.removeprefix(BOM_UTF8).lstrip()
    if text.startswith(b"["):
        raise DataError(
            f"{place}: it holds a JSON array; give one object a line, as `jq -c '.[]'` makes them"
        )
    if text.split(b"\n", 1)[0].strip() == b"{":
        raise DataError(
            f"{place}: an object goes over several lines; give one a line, as `jq -c .` makes them"
        )
    if b"\r" in text.strip() and b"\n" not in text:
        raise DataError(
            f"{place}: its lines end in CR alone; end them in LF, as `tr '\\r' '\\n'` does"
        )


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
