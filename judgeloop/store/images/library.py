"""Adds images to the store and opens them by hash, through a bounded cache with prefetch."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from PIL import Image

from judgeloop.schema.errors import StoreError
from judgeloop.store import MissingObjectError, Store
from judgeloop.store.checksums import sha256_bytes
from judgeloop.store.images.cache import ByteCache
from judgeloop.store.images.decode import decode_image
from judgeloop.store.images.index import BRING_BACK, PACKS, PackIndex, Place
from judgeloop.store.images.packer import Packer, single_key

CACHE_BYTES = 256 * 2**20
PACKS_KEPT = 8
"""Packs lie in the order in which the rows name their images, so a stage needs few at a time."""
FETCH_THREADS = 8
_FETCH_LOCKS = 64


class ImageLibrary:
    """The images of a store; threads may share it.

    Reading asks the index first, which costs one listing and one call for each data set at the
    first image, and none later. Then an image in a pack costs a share of one call for the whole
    pack, and another image one call.

    Args:
        store: Where images live, below `images/`.
        max_pixels: Limit on width x height.
    """

    def __init__(self, store: Store, max_pixels: int) -> None:
        self._store = store
        self._max_pixels = max_pixels
        self._index = PackIndex(store)
        self._singles = ByteCache(CACHE_BYTES)
        self._packs = ByteCache(CACHE_BYTES, PACKS_KEPT)
        # One thread fetches an object, and the others that want it wait; few locks do for all keys.
        self._fetching = [threading.Lock() for _ in range(_FETCH_LOCKS)]

    def add(self, data: bytes) -> str:
        """Checks an image and stores it at once as one object; returns its hash.

        Raises:
            DataError: The image cannot be used.
            StoreError: The store cannot be written.
        """
        decode_image(data, self._max_pixels)
        image_hash = sha256_bytes(data)
        self._store.create(single_key(image_hash), data)
        return image_hash

    @contextmanager
    def adding(self) -> Iterator[Callable[[bytes], str]]:
        """Gives a function that adds an image of a data set, and packs the small ones.

        All of them are in the store when the block has ended well; until then, some may not be.
        So a stage may write shards that name them within the block, but its manifest, which is
        what makes anyone read those shards, only after it.

        Raises:
            StoreError: The store cannot be written.
        """
        packer = Packer(self._store, self._max_pixels)
        yield packer.add
        packer.close()

    def read(self, image_hash: str) -> bytes:
        """Returns an image's encoded bytes.

        Raises:
            StoreError: The image is missing, or its bytes don't match its hash.
        """
        if not re.fullmatch("[0-9a-f]{64}", image_hash):
            raise StoreError(f"{image_hash!r} is no image hash (64 hexadecimal digits)")
        damaged = None
        for again in (False, True):
            if again:
                self._index.refresh()  # another process may have added a data set since
            for place in (*self._index.find(image_hash), Place(single_key(image_hash), 0, None)):
                try:
                    data = self._fetch(place.key)[place.start : place.end]
                except MissingObjectError:
                    continue
                if sha256_bytes(data) == image_hash:
                    return data
                damaged = place.key
        raise self._unreadable(image_hash, damaged)

    def open(self, image_hash: str) -> Image.Image:
        """Returns an image as upright RGB.

        Raises:
            DataError: The bytes are no usable image.
            StoreError: As in `read`.
        """
        return decode_image(self.read(image_hash), self._max_pixels)

    def prefetch(self, hashes: Iterable[str]) -> None:
        """Fetches images into the cache in parallel; a failure shows when the image is opened."""
        with ThreadPoolExecutor(FETCH_THREADS) as pool:
            for future in [pool.submit(self.read, name) for name in dict.fromkeys(hashes)]:
                future.exception()

    def _fetch(self, key: str) -> bytes:
        cache = self._packs if key.startswith(f"{PACKS}/") else self._singles
        with self._fetching[hash(key) % _FETCH_LOCKS]:
            data = cache.get(key)
            if data is None:
                data = self._store.read(key)
                cache.put(key, data)
            return data

    def _unreadable(self, image_hash: str, damaged: str | None) -> StoreError:
        if damaged is not None:
            return StoreError(
                f"image {image_hash}: its bytes in {self._store.uri}/{damaged} have another hash; "
                f"delete that object and {BRING_BACK}"
            )
        return MissingObjectError(
            f"image {image_hash}: the store {self._store.uri} holds it neither in a pack nor as "
            f"{single_key(image_hash)}; delete {BRING_BACK}"
        )
