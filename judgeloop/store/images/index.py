"""Finds the pack of an image in the indexes of all data sets of a store."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from judgeloop.schema.errors import StoreError
from judgeloop.store import Store
from judgeloop.store.checksums import sha256_bytes
from judgeloop.store.images.packs import Index, Position

PACKS = "images/packs"
INDEXES = "images/indexes"
RESTORE = (
    "each manifest.json below ingest/ and gold/ in the store, then run the loop again, which "
    "brings the images back"
)
"""What to do where images are lost, besides deleting damaged objects."""


def pack_key(pack: str) -> str:
    """Returns the key of a pack by the hash of its bytes."""
    return f"{PACKS}/{pack}.parquet"


def index_key(index: str) -> str:
    """Returns the key of an index by the hash of its bytes."""
    return f"{INDEXES}/{index}.parquet"


def read_index(store: Store, key: str) -> Index:
    """Reads one index.

    Raises:
        StoreError: It cannot be read, has another hash than its name says, or is not an index.
    """
    data = store.read(key)
    where = f"{store.uri}/{key}"
    if index_key(sha256_bytes(data)) != key:
        raise StoreError(
            f"{where}: its bytes don't have the hash of its name; delete it and {RESTORE}"
        )
    return Index(data, where)


class StoreIndex:
    """All indexes of a store, read at the first look-up; threads may share it.

    Args:
        store: Store of the indexes.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._indexes: dict[str, Index] | None = None

    def find(self, image_hash: str) -> list[Position]:
        """Returns every position of an image in the indexes that are loaded.

        Raises:
            StoreError: An index cannot be read or is damaged.
        """
        positions = (index.find(image_hash) for index in self._known().values())
        return [position for position in positions if position is not None]

    def refresh(self) -> None:
        """Loads indexes that were added since; raises as `find`."""
        with self._lock:
            self._indexes = self._read(self._indexes or {})

    def _known(self) -> dict[str, Index]:
        with self._lock:
            if self._indexes is None:
                self._indexes = self._read({})
            return self._indexes

    def _read(self, known: Mapping[str, Index]) -> dict[str, Index]:
        keys = self._store.list(INDEXES)
        return {key: known[key] if key in known else read_index(self._store, key) for key in keys}
