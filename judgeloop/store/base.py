"""The interface of all stores, and the keys that they accept."""

from pathlib import Path
from typing import Protocol

from judgeloop.schema.errors import StoreError

TEMPORARY_PREFIX = ".tmp-"
"""Prefix of the names of unfinished files; no key may contain such a name."""


class MissingObjectError(StoreError):
    """The store holds nothing under this key."""


class Reader(Protocol):
    """The part of a store that readers of shards need; see `Store`."""

    uri: str

    def read(self, key: str) -> bytes:
        """Return what is stored under `key`; see `Store.read`."""
        ...


class Store(Reader, Protocol):
    """Named bytes below one root, in a folder or in an S3 bucket.

    A key is a relative POSIX path such as `judge/3f2a/part-000/shard-004.jsonl`; `checked_key` says
    which ones are refused, and every method raises `StoreError` for those. A key must not be the
    folder of another key: a folder store cannot hold both. Writes are atomic: a reader never sees
    part of an object.
    """

    uri: str
    """The root, without a slash at its end: an absolute path, or `s3://bucket/prefix`."""

    @property
    def first_is_sure(self) -> bool:
        """Whether what `create` returns is certain; a store may know after its first `create`."""
        ...

    def read(self, key: str) -> bytes:
        """Return what is stored under `key`.

        Raises:
            MissingObjectError: Nothing is stored there.
            StoreError: The store cannot be read, or the bytes do not have their checksum.
        """
        ...

    def write(self, key: str, data: bytes) -> None:
        """Store `data` under `key`, in place of what was there.

        Raises:
            StoreError: The store cannot be written; what was there before is unchanged.
        """
        ...

    def create(self, key: str, data: bytes) -> bool:
        """Store `data` under `key` if the key does not exist: the first writer wins.

        Returns:
            Whether this call stored the data. If the answer to a first try was lost, an existing
            object with the same bytes counts as stored by this call; so a writer that must be
            distinguished from others puts something unique into `data`.

        Raises:
            StoreError: The store cannot be written.
        """
        ...

    def exists(self, key: str) -> bool:
        """Return whether something is stored under `key`.

        Raises:
            StoreError: The store cannot be read.
        """
        ...

    def list(self, prefix: str) -> list[str]:
        """Return all keys below the folder `prefix`, sorted; an empty prefix means all keys.

        `a` and `a/` both give `a/x`, and neither gives `ab/x`. A missing folder is empty.

        Raises:
            StoreError: The store cannot be read.
        """
        ...

    def sizes(self, prefix: str) -> dict[str, int]:
        """Return the bytes of each object below the folder `prefix`, by key, sorted.

        Raises:
            StoreError: The store cannot be read.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove what is stored under `key`; a missing object is not an error.

        Raises:
            StoreError: The store cannot be written.
        """
        ...

    def upload(self, path: Path, key: str) -> None:
        """Store the file `path`, of any size, under `key`, in constant memory.

        Raises:
            StoreError: The file cannot be read, or the store cannot be written.
        """
        ...

    def download(self, key: str, path: Path) -> None:
        """Copy what is stored under `key` to the file `path`, in constant memory.

        The folder of `path` is created if needed; `path` is replaced atomically.

        Raises:
            MissingObjectError: Nothing is stored under `key`.
            StoreError: The store cannot be read, the bytes do not have their checksum, or `path`
                cannot be written.
        """
        ...

    def unfinished(self) -> dict[str, float]:
        """Return unfinished files and uploads of killed writers: age in seconds by name.

        Raises:
            StoreError: The store cannot be read.
        """
        ...

    def discard(self, name: str) -> None:
        """Remove a file or an upload that `unfinished` named; a missing one is not an error.

        Raises:
            StoreError: The store cannot be written.
        """
        ...


def checked_key(key: str) -> str:
    """Return `key` if it is a plain relative POSIX path that stays below the root.

    Args:
        key: The name to check.

    Raises:
        StoreError: The key is empty or absolute, has an empty, `.` or `..` part or one that begins
            like a temporary file, or holds a backslash, a control character or half a surrogate
            pair.
    """
    if reason := key_fault(key):
        raise StoreError(f"the store refuses the key {key!r}: {reason}")
    return key


def is_key(name: str) -> bool:
    """Return whether `checked_key` accepts a name: a store's folder may hold foreign files."""
    return not key_fault(name)


def key_fault(key: str) -> str:
    """Return why `checked_key` refuses a key; empty if it does not."""
    parts = key.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return "it must be a relative path without empty, '.' or '..' parts"
    if any(part.startswith(TEMPORARY_PREFIX) for part in parts):
        return f"names that begin with {TEMPORARY_PREFIX!r} are kept for unfinished files"
    if any(char == "\\" or char < " " or "\ud800" <= char <= "\udfff" for char in key):
        return "backslashes, control characters and lone surrogates are not allowed"
    return ""


def checked_prefix(prefix: str) -> str:
    """Return a folder prefix without the slash at its end; empty means the root.

    Args:
        prefix: A folder of keys, with or without a slash at its end.

    Raises:
        StoreError: The prefix is not empty and would be refused as a key.
    """
    return checked_key(prefix.removesuffix("/")) if prefix else ""
