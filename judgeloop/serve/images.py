"""The images of requests, in memory only while they are needed: a server runs for months."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from judgeloop.store import MissingObjectError, Store
from judgeloop.store.checksums import sha256_bytes
from judgeloop.store.images import ImageLibrary
from judgeloop.store.images.decode import WHITE, decode_image


class RequestImages(ImageLibrary):
    """An image library in memory, which keeps images for the duration of a block; thread-safe.

    Args:
        store: Required by the base class; no image is stored there.
        max_pixels: Width x height; a larger image is scaled down when it is opened.
        background: Color behind transparent pixels.
    """

    def __init__(self, store: Store, max_pixels: int, background: str = WHITE) -> None:
        super().__init__(store, max_pixels, background)
        self._limits = (max_pixels, background)
        self._held: dict[str, bytes] = {}
        self._users: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def holding(self, pictures: Sequence[bytes]) -> Iterator[tuple[str, ...]]:
        """Keeps pictures in memory during a block; yields their hashes.

        Raises:
            DataError: One cannot be used.
        """
        for picture in pictures:
            decode_image(picture, *self._limits)
        names = tuple(sha256_bytes(picture) for picture in pictures)
        with self._lock:
            self._users.update(names)
            self._held |= dict(zip(names, pictures, strict=True))
        try:
            yield names
        finally:
            with self._lock:
                self._users.subtract(names)
                for name in set(names):
                    if self._users[name] <= 0:
                        del self._users[name], self._held[name]

    def read(self, image_hash: str) -> bytes:
        """Returns an image's encoded bytes.

        Raises:
            MissingObjectError: It is not in memory.
        """
        try:
            return self._held[image_hash]
        except KeyError as error:
            raise MissingObjectError(f"image {image_hash} is no longer in memory") from error
