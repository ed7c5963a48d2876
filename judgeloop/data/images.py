"""The images that a data set names: hashed first, then stored if they are unchanged.

They are read twice, by threads that read ahead; only a window of them is in memory.
"""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal, TypeVar

from judgeloop.schema.errors import DataError, StoreError
from judgeloop.schema.keys import listed_key
from judgeloop.store import MissingObjectError, Store
from judgeloop.store.base import key_fault
from judgeloop.store.checksums import sha256_bytes
from judgeloop.store.disk_dict import DiskDict

T = TypeVar("T")
R = TypeVar("R")
AddImage = Callable[[bytes], str]
"""Adds an image to the store and returns its hash, as `ImageLibrary.adding` gives it."""
Advance = Callable[[int], None]
"""Takes the number of images that are done."""
READ_THREADS = 8
READ_AHEAD = 32
STEP = 200
"""Images between two reports of progress."""
_ADDRESS = re.compile(r"data:|[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_NORMAL_FORMS: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")
_UNREAD = ""
"""Replaces the hash of an image that was not read, or cannot be read."""


class SourceImages:
    """The hash of each image, or why it cannot be used; both on disk, in constant memory.

    Args:
        folder: Where the images lie.
        names: Their paths there, in order of mention; repeats are allowed.
    """

    def __init__(self, folder: Store, names: Iterable[str]) -> None:
        self._folder = folder
        self._hashes: DiskDict[str, str] = DiskDict()
        self._faults: DiskDict[str, str] = DiskDict()
        for name in names:
            self._hashes.add(name, _UNREAD)
        self.readable = 0
        """Images that could be read when they were hashed."""

    def __len__(self) -> int:
        """Returns the number of images that are named."""
        return len(self._hashes)

    def scan(self, advance: Advance = lambda images: None) -> str:
        """Hashes the images; call this before any other method.

        Args:
            advance: Called with the number of images that are done.

        Returns:
            A key of the images' names and bytes, wherever they lie.
        """
        named = (name for name, _ in self._hashes.items())
        for name, (digest, fault) in _counted(_ahead(named, self._look), advance):
            if fault:
                self._faults.add(name, fault)
            else:
                self._hashes[name] = digest
                self.readable += 1
        read = (item for item in self._hashes.sorted_items() if item[1] != _UNREAD)
        return listed_key(read, (name for name, _ in self._faults.sorted_items()))

    def add_all(self, add: AddImage, advance: Advance = lambda images: None) -> None:
        """Adds the images to the store, in the order of their names' first mention.

        If `add` refuses an image, the rows that name it are faulty.

        Raises:
            StoreError: The store cannot be written, or an image has changed since it was hashed.
        """
        named = (name for name, digest in self._hashes.items() if digest != _UNREAD)
        for name, data in _counted(_ahead(named, self._read), advance):
            if sha256_bytes(data) != self._hashes[name]:
                raise StoreError(
                    f"{self._folder.uri}/{name}: the image changed while the data set was read; "
                    "run again when nobody writes there"
                )
            try:
                add(data)
            except DataError as error:
                self._faults.add(name, f"image {name!r}: {error}")

    def hashes(self, names: Iterable[str]) -> tuple[str, ...]:
        """Returns the hashes of a row's images.

        Raises:
            DataError: The row names no image, or one that cannot be used.
        """
        names = list(names)
        if not names:
            raise DataError("the row names no image")
        for name in names:
            if (fault := self._faults.get(name)) is not None:
                raise DataError(fault)
        return tuple(self._hashes[name] for name in names)

    def known_hash(self, name: str) -> str | None:
        """Returns the hash of an image that was read, else None."""
        return self._hashes.get(name) or None

    def read(self, name: str) -> bytes | None:
        """Returns an image's bytes; None where it cannot be read."""
        try:
            return self._read(name)
        except StoreError:
            return None

    def _look(self, name: str) -> tuple[str, str]:
        """Returns the hash, or the error: an unreadable image is an error of its rows alone."""
        try:
            return sha256_bytes(self._read(name)), ""
        except StoreError as error:
            return "", str(error)

    def _read(self, name: str) -> bytes:
        return read_image(self._folder, name)


def read_image(folder: Store, name: str) -> bytes:
    """Reads an image, by its name's other normal forms too: archives change them.

    Raises:
        MissingObjectError: There is none of this name.
        StoreError: It cannot be read, or the name is not a path below the folder.
    """
    if _ADDRESS.match(name):
        raise StoreError(
            f"{name[:60]!r} is an address, not a path; put the image beside the file of rows and "
            "name its path"
        )
    if fault := key_fault(name):
        raise StoreError(f"image {name!r}: {fault}; rows name images relative to their file")
    try:
        return folder.read(name)
    except MissingObjectError as error:
        for form in _NORMAL_FORMS:
            other = unicodedata.normalize(form, name)
            if other != name and folder.exists(other):
                return folder.read(other)
        raise MissingObjectError(
            f"there is no image {name!r} in {folder.uri}, which holds the file of rows; its rows "
            "name images relative to it"
        ) from error


def _ahead(items: Iterable[T], work: Callable[[T], R]) -> Iterator[tuple[T, R]]:
    """Yields items with the results that threads computed for them, in order."""
    with ThreadPoolExecutor(READ_THREADS) as pool:
        waiting: deque[tuple[T, Future[R]]] = deque()
        for item in items:
            waiting.append((item, pool.submit(work, item)))
            if len(waiting) == READ_AHEAD:
                done, result = waiting.popleft()
                yield done, result.result()
        for done, result in waiting:
            yield done, result.result()


def _counted(items: Iterable[T], advance: Advance) -> Iterator[T]:
    number = 0
    for number, item in enumerate(items, start=1):
        yield item
        if number % STEP == 0:
            advance(STEP)
    if number % STEP:
        advance(number % STEP)
