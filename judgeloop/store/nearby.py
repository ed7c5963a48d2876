"""Caches objects that a stage reads more than once on the local disk, for the length of a block."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from judgeloop.store.base import Reader
from judgeloop.store.checksums import sha256_bytes
from judgeloop.store.folder import FolderStore
from judgeloop.store.scratch import scratch_folder

_log = logging.getLogger(__name__)


class _Nearby:
    """Reads an object from a store once, and from then on from a folder on this machine."""

    def __init__(self, store: Reader, folder: Path) -> None:
        self.uri = store.uri
        self._store = store
        self._folder: Path | None = folder

    def read(self, key: str) -> bytes:
        """Returns what is stored under `key`; see `Store.read`."""
        if self._folder is None:
            return self._store.read(key)
        copy = self._folder / sha256_bytes(key.encode())
        try:
            return copy.read_bytes()
        except FileNotFoundError:
            pass
        data = self._store.read(key)
        try:
            copy.write_bytes(data)
        except OSError as error:  # not fatal: the store has it
            _log.warning("%s is read again when it is needed: no copy on disk (%s)", key, error)
            copy.unlink(missing_ok=True)
            self._folder = None
        return data


@contextmanager
def nearby(store: Reader) -> Iterator[Reader]:
    """Yields a reader that fetches each object once; not for objects that change.

    A folder store is not cached. If the disk is full, objects are fetched again.

    Args:
        store: The store.
    """
    if isinstance(store, FolderStore):
        yield store
        return
    with scratch_folder("near") as folder:
        yield _Nearby(store, Path(folder))
