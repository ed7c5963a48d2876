"""A dictionary in a temporary file, for data that may not fit in memory: ids and hashes of rows.

It is an SQLite database without a name, which SQLite deletes by itself. Its page cache is limited
to `CACHE_KB`, so that a hundred thousand entries take no more memory than ten thousand.

Existing packages do not fit. `dbm.sqlite3` came with Python 3.13, and the other `dbm` modules and
`shelve` keep no order and need a named file. `diskcache` and `sqlitedict` pickle values, keep a
named file that others must delete, and yield no items by key; neither has had a release for years.
"""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from judgeloop.schema.errors import StoreError

K = TypeVar("K", str, bytes)
V = TypeVar("V", str, bytes, int)
CACHE_KB = 1024
BLOCK = 500
"""Entries that are read per query."""


class DiskDict(Generic[K, V]):
    """Keys with a value each, in the order in which they were added; for one thread.

    Every method raises StoreError where the folder of temporary files has no room left.
    """

    def __init__(self) -> None:
        with _disk_errors():
            # The garbage collector may close it in any thread.
            self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
            weakref.finalize(self, self._database.close)  # from CPython 3.13 on it warns if open
            for statement in (
                f"PRAGMA cache_size = -{CACHE_KB}",
                "PRAGMA journal_mode = OFF",
                "CREATE TABLE entries (place INTEGER PRIMARY KEY, key UNIQUE, value)",
            ):
                self._database.execute(statement)

    def __len__(self) -> int:
        """Returns the number of keys."""
        with _disk_errors():
            count: int = self._database.execute("SELECT count(*) FROM entries").fetchone()[0]
        return count

    def add(self, key: K, value: V) -> bool:
        """Adds a key; returns False, and changes nothing, if it exists."""
        with _disk_errors():
            statement = "INSERT OR IGNORE INTO entries (key, value) VALUES (?, ?)"
            return self._database.execute(statement, (key, value)).rowcount == 1

    def __setitem__(self, key: K, value: V) -> None:
        """Replaces the value of a key that was added."""
        with _disk_errors():
            self._database.execute("UPDATE entries SET value = ? WHERE key = ?", (value, key))

    def get(self, key: K) -> V | None:
        """Returns a key's value, or None if it was not added."""
        with _disk_errors():
            statement = "SELECT value FROM entries WHERE key = ?"
            found = self._database.execute(statement, (key,)).fetchone()
        return None if found is None else found[0]

    def __contains__(self, key: K) -> bool:
        """Returns whether a key was added."""
        return self.get(key) is not None

    def __getitem__(self, key: K) -> V:
        """Returns a key's value; raises KeyError where it was not added."""
        value = self.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def items(self) -> Iterator[tuple[K, V]]:
        """Yields keys and values in insertion order; values may be replaced meanwhile."""
        last = 0
        statement = "SELECT place, key, value FROM entries WHERE place > ? ORDER BY place LIMIT ?"
        while True:
            with _disk_errors():
                block = self._database.execute(statement, (last, BLOCK)).fetchall()
            if not block:
                return
            yield from ((key, value) for _, key, value in block)
            last = block[-1][0]

    def sorted_items(self) -> Iterator[tuple[K, V]]:
        """Yields keys and values sorted by key; nothing may be changed meanwhile."""
        with _disk_errors():
            yield from self._database.execute("SELECT key, value FROM entries ORDER BY key")


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(
            f"a temporary file cannot be used ({error}): free space in the folder of temporary "
            "files, or name another one in SQLITE_TMPDIR"
        ) from error
