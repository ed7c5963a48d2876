"""Adds a data set's images to the store, the small ones gathered into packs.

A pack is the bytes of its images, one after the other. Where one pack ends and the next one begins
depends on the order of the images alone, never on what the store holds already: so a run that was
killed, and began again, ends with the very objects of an unbroken one. The price is that an image
of two data sets may lie in a pack of each.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from judgeloop.store import Store
from judgeloop.store.checksums import sha256_bytes, sha256_file
from judgeloop.store.disk_map import DiskMap
from judgeloop.store.images.decode import decode_image
from judgeloop.store.images.index import INDEXES, PACKS, POSITION, write_table
from judgeloop.store.local_files import disk_errors_named

SMALL_BYTES = 64 * 2**10
"""A larger image is an object of its own."""
PACK_BYTES = 4 * 2**20
PACK_IMAGES = 1000
"""A pack is full at this many bytes or images, whatever comes first."""


def single_key(image_hash: str) -> str:
    """Returns the key of an image that is an object of its own."""
    return f"images/{image_hash[:2]}/{image_hash}"


class Packer:
    """Takes images one by one; at most one pack of them waits in memory.

    Args:
        store: Where images live.
        max_pixels: Limit on width x height.
    """

    def __init__(self, store: Store, max_pixels: int) -> None:
        self._store = store
        self._max_pixels = max_pixels
        self._pack = bytearray()
        self._images_in_pack = 0
        self._packs: list[bytes] = []
        self._positions: DiskMap[bytes, bytes] = DiskMap()

    def add(self, data: bytes) -> str:
        """Checks an image and takes it; it can be read for sure when `close` has returned.

        Returns:
            The image's hash.

        Raises:
            DataError: The image cannot be used.
            StoreError: The store cannot be written.
        """
        image_hash = sha256_bytes(data)
        digest = bytes.fromhex(image_hash)
        if self._positions.get(digest) is not None:
            return image_hash
        decode_image(data, self._max_pixels)
        if len(data) > SMALL_BYTES:
            self._store.create(single_key(image_hash), data)
            return image_hash
        if self._images_in_pack == PACK_IMAGES or len(self._pack) + len(data) > PACK_BYTES:
            self._write_pack()
        position = POSITION.pack(len(self._packs), len(self._pack), len(data))
        self._positions.add(digest, position)
        self._pack += data
        self._images_in_pack += 1
        return image_hash

    def close(self) -> None:
        """Writes the last pack, then the index, without which no pack is ever looked at.

        Raises:
            StoreError: The store cannot be written.
        """
        if not self._positions:
            return
        self._write_pack()
        with tempfile.TemporaryDirectory(prefix="judgeloop-index-") as name:
            path = Path(name) / "table"
            with disk_errors_named(f"write {path}"), path.open("wb") as file:
                write_table(file, self._packs, self._positions.sorted_items())
            self._store.upload(path, f"{INDEXES}/{sha256_file(path)}")

    def _write_pack(self) -> None:
        data = bytes(self._pack)
        name = sha256_bytes(data)
        self._store.create(f"{PACKS}/{name}", data)
        self._packs.append(bytes.fromhex(name))
        self._pack.clear()
        self._images_in_pack = 0
