"""Decodes images ahead of a model, in threads, once for nearby requests that share them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from judgeloop.schema.errors import DataError
from judgeloop.store import MissingObjectError
from judgeloop.store.images import ImageLibrary

if TYPE_CHECKING:
    from PIL import Image

THREADS = 4


class UnusableImageError(Exception):
    """The image cannot be used, which is an error only of the requests that show it."""


class Pictures:
    """Keeps the decoded images of announced requests until they are released.

    The caller bounds memory by the number of announced requests. Thread-safe; each request is
    announced and released once.

    Args:
        library: Images are read from it.
    """

    def __init__(self, library: ImageLibrary) -> None:
        self._library = library
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="decode")
        self._decoding: dict[str, Future[Image.Image]] = {}
        self._users: dict[str, int] = {}
        self._lock = threading.Lock()

    def announce(self, names: Sequence[str]) -> None:
        """Starts to decode images that will be requested."""
        with self._lock:
            for name in names:
                self._users[name] = self._users.get(name, 0) + 1
                if name not in self._decoding:
                    self._decoding[name] = self._threads.submit(self._decode, name)

    def get(self, names: Sequence[str]) -> list[Image.Image]:
        """Returns announced images, once they are decoded.

        Raises:
            UnusableImageError: One is missing or cannot be used.
            StoreError: One cannot be read, or its bytes are damaged.
        """
        with self._lock:
            decoding = [self._decoding[name] for name in names]
        return [future.result() for future in decoding]

    def release(self, names: Sequence[str]) -> None:
        """Drops announced images, once they are released as often as they were announced."""
        with self._lock:
            for name in names:
                self._users[name] -= 1
                if not self._users[name]:
                    del self._users[name]
                    self._decoding.pop(name).cancel()

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(cancel_futures=True)

    def _decode(self, name: str) -> Image.Image:
        try:
            return self._library.open(name)
        except (DataError, MissingObjectError) as error:
            raise UnusableImageError(str(error)) from error
