"""Adds images to the store and opens them by hash, through a bounded cache with prefetch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Condition
from typing import Any

from cachetools import LRUCache, cached
from PIL import Image

from judgeloop.schema.errors import StoreError
from judgeloop.store import MissingObjectError, Store
from judgeloop.store.checksums import sha256_bytes
from judgeloop.store.images.decode import WHITE, decode_image
from judgeloop.store.images.index import RESTORE, StoreIndex, pack_key
from judgeloop.store.images.packer import Packer, single_key
from judgeloop.store.images.packs import Position, read_pack

CACHE_BYTES = 256 * 2**20
"""Limit for images that are objects of their own."""
CACHED_PACKS = 8
"""Packs are in the order in which the rows name their images, so a stage needs few at a time."""
FETCH_THREADS = 8


class ImageLibrary:
    """The images of a store; threads may share it.

    Reading asks the index first, which costs one listing and one call for each data set at the
    first image, and none later. Then an image in a pack costs a share of one call for the whole
    pack, and any other image one call. Concurrent requests for the same object fetch it once.

    Args:
        store: Store of the images, below `images/`.
        max_pixels: Width x height; a larger image is scaled down when it is opened.
        background: Color behind transparent pixels.
    """

    def __init__(self, store: Store, max_pixels: int, background: str = WHITE) -> None:
        self._store = store
        self._max_pixels = max_pixels
        self._background = background
        self._index = StoreIndex(store)
        self._singles: LRUCache[str, bytes] = LRUCache(CACHE_BYTES, getsizeof=len)
        self._packs: LRUCache[str, Any] = LRUCache(CACHED_PACKS)
        self._read_single = cached(self._singles, condition=Condition())(store.read)
        self._read_pack = cached(self._packs, condition=Condition())(self._fetch_pack)

    def add(self, data: bytes) -> str:
        """Checks an image and stores it at once as one object; returns its hash.

        Raises:
            DataError: The image cannot be used.
            StoreError: The store cannot be written.
        """
        decode_image(data, self._max_pixels, self._background)
        image_hash = sha256_bytes(data)
        self._store.create(single_key(image_hash), data)
        return image_hash

    @contextmanager
    def adding(self) -> Iterator[Callable[[bytes], str]]:
        """Yields a function that adds an image of a data set; small ones are packed.

        All of them are stored when the block has ended without an error; until then, some may not
        be. So a stage may write shards that name them within the block, but its manifest, without
        which nobody reads those shards, only after it.

        Raises:
            StoreError: The store cannot be written.
        """
        packer = Packer(self._store)
        yield packer.add
        packer.close()

    def read(self, image_hash: str) -> bytes:
        """Returns an image's encoded bytes.

        Raises:
            StoreError: The image is missing, or its bytes don't match its hash.
        """
        if not re.fullmatch("[0-9a-f]{64}", image_hash):
            raise StoreError(f"{image_hash!r} is not an image hash (64 hexadecimal digits)")
        problem: StoreError | None = None
        for again in (False, True):
            if again:
                self._index.refresh()  # another process may have added a data set since
            copies: list[Position | None] = [*self._index.find(image_hash), None]
            for position in copies:
                try:
                    return self._read_copy(image_hash, position)
                except MissingObjectError:
                    continue
                except _DamagedError as error:
                    problem = error
        raise problem or MissingObjectError(
            f"image {image_hash}: the store {self._store.uri} holds it neither in a pack nor as "
            f"{single_key(image_hash)}; delete {RESTORE}"
        )

    def open(self, image_hash: str) -> Image.Image:
        """Returns an image as a model sees it; see `decode_image`.

        Raises:
            DataError: The bytes are not a usable image.
            StoreError: As in `read`.
        """
        return decode_image(self.read(image_hash), self._max_pixels, self._background)

    def prefetch(self, hashes: Iterable[str]) -> None:
        """Fetches images into the cache in parallel; failures are raised when they are opened."""
        with ThreadPoolExecutor(FETCH_THREADS) as pool:
            for future in [pool.submit(self.read, name) for name in dict.fromkeys(hashes)]:
                future.exception()

    def _read_copy(self, image_hash: str, position: Position | None) -> bytes:
        """Returns an image from its position in a pack, or from an object of its own."""
        if position is not None:
            key = pack_key(position.pack)
            images = self._read_pack(key)
            data = images[position.row].as_py() if position.row < len(images) else b""
        else:
            key = single_key(image_hash)
            data = self._read_single(key)
        if sha256_bytes(data) != image_hash:
            raise self._damaged(key, f"image {image_hash}")
        return data

    def _fetch_pack(self, key: str) -> Any:
        data = self._store.read(key)
        if pack_key(sha256_bytes(data)) != key:
            raise self._damaged(key, "a pack")
        return read_pack(data, f"{self._store.uri}/{key}")

    def _damaged(self, key: str, what: str) -> _DamagedError:
        return _DamagedError(
            f"{what}: its bytes in {self._store.uri}/{key} have another hash; delete that object "
            f"and {RESTORE}"
        )


class _DamagedError(StoreError):
    """A copy of an image cannot be used; there may be another one."""
