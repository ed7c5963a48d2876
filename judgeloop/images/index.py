"""Where the images of packs lie: one compact table for each data set, searched where it stands.

A table is a head, the hashes of its packs, and an entry of 44 bytes for each image, sorted by hash:
4.4 MB for 100,000 images, in the store as in memory. All numbers are unsigned and big-endian.
"""

from __future__ import annotations

import struct
import threading
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from judgeloop.errors import StoreError
from judgeloop.store import Store
from judgeloop.store.checksums import sha256_bytes

PACKS = "images/packs"
INDEXES = "images/indexes"
HEAD = struct.Struct(">16sI")
"""The format's name, and how many packs there are."""
FORMAT = b"image index v001"
ENTRY = struct.Struct(">32sIII")
"""An image's hash, the number of its pack, its first byte in the pack, and its length."""
_HASH_BYTES = 32


class Place(NamedTuple):
    """Where an image lies."""

    pack: str
    """The pack's key."""
    start: int
    length: int


class Position(NamedTuple):
    """The same for a table that is being written."""

    pack: int
    """The pack's number."""
    start: int
    length: int


def encode_table(packs: Sequence[bytes], positions: Mapping[bytes, Position]) -> bytes:
    """Returns a table's bytes.

    Args:
        packs: The hashes of packs 0, 1, ...; 32 bytes each.
        positions: By the hash of the image; 32 bytes each.
    """
    entries = (ENTRY.pack(digest, *positions[digest]) for digest in sorted(positions))
    return b"".join((HEAD.pack(FORMAT, len(packs)), *packs, *entries))


class Table:
    """Finds images in a table's bytes.

    Args:
        data: As `encode_table` made them.
        where: The table's place, for messages.

    Raises:
        StoreError: The bytes are no table of this format.
    """

    def __init__(self, data: bytes, where: str) -> None:
        self._data = data
        name, packs = HEAD.unpack_from(data) if len(data) >= HEAD.size else (b"", 0)
        self._entries = HEAD.size + packs * _HASH_BYTES
        self._count, rest = divmod(len(data) - self._entries, ENTRY.size)
        if name != FORMAT or self._count < 0 or rest:
            raise StoreError(
                f"{where} is no image index that this judgeloop reads; use another store or the "
                "judgeloop version that made it"
            )

    def find(self, digest: bytes) -> Place | None:
        """Returns where an image lies, or None where it is not in the table."""
        at = bisect_left(range(self._count), digest, key=self._digest)
        if at == self._count or self._digest(at) != digest:
            return None
        _, pack, start, length = ENTRY.unpack_from(self._data, self._entries + at * ENTRY.size)
        name = self._data[HEAD.size + pack * _HASH_BYTES :][:_HASH_BYTES].hex()
        return Place(f"{PACKS}/{name}", start, length)

    def _digest(self, at: int) -> bytes:
        start = self._entries + at * ENTRY.size
        return self._data[start : start + _HASH_BYTES]


class PackIndex:
    """All tables of a store, read when the first image is looked for; threads may share it.

    Args:
        store: Where the tables lie.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._tables: dict[str, Table] | None = None

    def find(self, image_hash: str) -> Place | None:
        """Returns where an image lies, or None where it is in no pack that is known of.

        Raises:
            StoreError: A table cannot be read or is damaged.
        """
        if self._tables is None:
            with self._lock:
                if self._tables is None:
                    self._tables = self._read({})
        digest = bytes.fromhex(image_hash)
        places = (table.find(digest) for table in self._tables.values())
        return next((place for place in places if place is not None), None)

    def refresh(self) -> None:
        """Reads the tables that came since; raises as `find`."""
        with self._lock:
            self._tables = self._read(self._tables or {})

    def _read(self, known: Mapping[str, Table]) -> dict[str, Table]:
        keys = self._store.list(INDEXES)
        return {key: known[key] if key in known else self._table(key) for key in keys}

    def _table(self, key: str) -> Table:
        data = self._store.read(key)
        where = f"{self._store.uri}/{key}"
        if sha256_bytes(data) != key.rpartition("/")[2]:
            raise StoreError(f"{where}: these bytes don't have the hash of their name; {BRING_BACK}")
        return Table(data, where)


BRING_BACK = (
    "delete this object and each manifest.json below ingest/ and gold/ in the store, then run the "
    "loop again, which brings the images back"
)
