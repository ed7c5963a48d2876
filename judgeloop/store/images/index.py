"""Where the images of packs lie: one compact table for each data set, searched where it stands.

A table is a head, the hashes of its packs, and an entry of 44 bytes for each image, sorted by hash:
4.4 MB for 100,000 images. All numbers are unsigned and big-endian.
"""

from __future__ import annotations

import os
import struct
import tempfile
import threading
import weakref
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO, NamedTuple

from judgeloop.schema.errors import StoreError
from judgeloop.store import Store
from judgeloop.store.checksums import sha256_bytes
from judgeloop.store.local_files import disk_errors_named

PACKS = "images/packs"
INDEXES = "images/indexes"
BRING_BACK = (
    "each manifest.json below ingest/ and gold/ in the store, then run the loop again, which "
    "brings the images back"
)
HEAD = struct.Struct(">16sI")
"""The format's name, and how many packs there are."""
FORMAT = b"image index v001"
POSITION = struct.Struct(">III")
"""The number of an image's pack, the image's first byte there, and its length."""
_HASH = 32
_ENTRY = _HASH + POSITION.size


class Place(NamedTuple):
    """Where an image lies."""

    key: str
    start: int
    end: int | None
    """After the last byte; None is the end of the object."""


def write_table(
    file: BinaryIO, packs: Sequence[bytes], positions: Iterable[tuple[bytes, bytes]]
) -> None:
    """Writes a table.

    Args:
        file: Where to.
        packs: The hashes of packs 0, 1, ...; 32 bytes each.
        positions: Hashes of images, 32 bytes each and sorted, with a `POSITION` for each.
    """
    file.writelines((HEAD.pack(FORMAT, len(packs)), *packs))
    for digest, position in positions:
        file.write(digest + position)


class Table:
    """Finds images in a table, which lies in a temporary file: memory need not hold it.

    Args:
        data: As `write_table` made them.
        where: The table's place, for messages.

    Raises:
        StoreError: The bytes are no table of this format, or there is no room for them.
    """

    def __init__(self, data: bytes, where: str) -> None:
        name, packs = HEAD.unpack_from(data) if len(data) >= HEAD.size else (b"", 0)
        self._entries = HEAD.size + packs * _HASH
        self._count, rest = divmod(len(data) - self._entries, _ENTRY)
        if name != FORMAT or self._count < 0 or rest:
            raise StoreError(
                f"{where} is no image index that this judgeloop reads; use another store or the "
                "judgeloop version that made it"
            )
        with disk_errors_named(f"keep {where} on disk"), tempfile.TemporaryFile() as file:
            file.write(data)
            file.flush()
            self._file = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._file)

    def __iter__(self) -> Iterator[tuple[bytes, str]]:
        """Yields each image's hash and the key of its pack."""
        for at in range(self._count):
            yield self._digest(at), self._place(at).key

    def find(self, digest: bytes) -> Place | None:
        """Returns where an image lies, or None where it is not in the table."""
        at = bisect_left(range(self._count), digest, key=self._digest)
        if at == self._count or self._digest(at) != digest:
            return None
        return self._place(at)

    def _place(self, at: int) -> Place:
        entry = self._entries + at * _ENTRY
        pack, start, length = POSITION.unpack(self._read(entry + _HASH, POSITION.size))
        name = self._read(HEAD.size + pack * _HASH, _HASH).hex()
        return Place(f"{PACKS}/{name}", start, start + length)

    def _digest(self, at: int) -> bytes:
        return self._read(self._entries + at * _ENTRY, _HASH)

    def _read(self, start: int, length: int) -> bytes:
        return os.pread(self._file, length, start)  # threads share no position


class PackIndex:
    """All tables of a store, read when the first image is looked for; threads may share it.

    Args:
        store: Where the tables lie.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._tables: dict[str, Table] | None = None

    def find(self, image_hash: str) -> list[Place]:
        """Returns every pack's place of an image, as far as packs are known of.

        Raises:
            StoreError: A table cannot be read or is damaged.
        """
        digest = bytes.fromhex(image_hash)
        places = (table.find(digest) for table in self._known().values())
        return [place for place in places if place is not None]

    def refresh(self) -> None:
        """Reads the tables that came since; raises as `find`."""
        with self._lock:
            self._tables = self._read(self._tables or {})

    def _known(self) -> dict[str, Table]:
        with self._lock:
            if self._tables is None:
                self._tables = self._read({})
            return self._tables

    def _read(self, known: Mapping[str, Table]) -> dict[str, Table]:
        keys = self._store.list(INDEXES)
        return {key: known[key] if key in known else self._table(key) for key in keys}

    def _table(self, key: str) -> Table:
        data = self._store.read(key)
        where = f"{self._store.uri}/{key}"
        if sha256_bytes(data) != key.rpartition("/")[2]:
            raise StoreError(
                f"{where}: its bytes don't have the hash of its name; delete it and {BRING_BACK}"
            )
        return Table(data, where)
