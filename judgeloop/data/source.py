"""Where a data set lies: a JSONL file with images beside it, in a folder, on S3, or made here."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from judgeloop.errors import DataError
from judgeloop.store import FolderStore, MissingObjectError, Store, open_store

TINY_WORLD = "tiny-world"


class Source(msgspec.Struct, frozen=True):
    """An open data set."""

    folder: Store
    """Holds the JSONL file and, at the paths that its rows name, the images."""
    file: str

    @property
    def name(self) -> str:
        """Returns the file's place for messages."""
        return f"{self.folder.uri}/{self.file}"

    def read(self) -> bytes:
        """Returns the file's bytes.

        Raises:
            DataError: The file is missing.
        """
        try:
            return self.folder.read(self.file)
        except MissingObjectError as error:
            raise DataError(
                f"{self.name}: no such file; give the path or s3:// URI of a JSONL file"
            ) from error


@contextmanager
def open_source(uri: str, make: Callable[[Path], Path]) -> Iterator[Source]:
    """Opens a data set for a block of work.

    Args:
        uri: `tiny-world`, a path or an s3:// URI of a JSONL file.
        make: Writes the tiny world's data set into a folder and returns its JSONL file.
    """
    if uri == TINY_WORLD:
        with tempfile.TemporaryDirectory(prefix="judgeloop-world-") as name:
            file = make(Path(name))
            yield Source(FolderStore(file.parent), file.name)
        return
    parent, _, file_name = uri.rpartition("/")
    yield Source(open_store(parent or "."), file_name)
