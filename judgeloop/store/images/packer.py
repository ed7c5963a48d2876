"""Adds a data set's images to the store, the small ones gathered into packs.

Where one pack ends and the next one begins depends on the order of the images alone, never on what
the store holds already: so a run that was killed and restarted ends with the same objects as an
uninterrupted one. The price is that an image of two data sets may be in a pack of each.
"""

from __future__ import annotations

from pathlib import Path

from judgeloop.store import Store
from judgeloop.store.checksums import sha256_bytes, sha256_file
from judgeloop.store.disk_dict import DiskDict
from judgeloop.store.images.decode import LARGEST_PIXELS, decode_image
from judgeloop.store.images.index import index_key, pack_key
from judgeloop.store.images.packs import Position, pack_bytes, write_index
from judgeloop.store.local_files import disk_errors_named
from judgeloop.store.scratch import scratch_folder

SMALL_BYTES = 64 * 2**10
"""A larger image is an object of its own."""
PACK_BYTES = 4 * 2**20
PACK_IMAGES = 1000
"""A pack is full at this many bytes of images, or this many images, whichever comes first."""


def single_key(image_hash: str) -> str:
    """Returns the key of an image that is an object of its own."""
    return f"images/{image_hash[:2]}/{image_hash}"


class Packer:
    """Packs images that are added one by one; at most one pack of them is in memory.

    Args:
        store: Store of the images.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._hashes: list[str] = []
        self._images: list[bytes] = []
        self._bytes = 0
        self._packs: list[str] = []
        self._positions: DiskDict[str, int] = DiskDict()
        """By hash: the pack's number times `PACK_IMAGES`, and the row in it."""

    def add(self, data: bytes) -> str:
        """Checks and adds an image; it is certain to be readable once `close` has returned.

        Returns:
            The image's hash.

        Raises:
            DataError: The image cannot be used.
            StoreError: The store cannot be written.
        """
        image_hash = sha256_bytes(data)
        if image_hash in self._positions:
            return image_hash
        decode_image(data, LARGEST_PIXELS)
        if len(data) > SMALL_BYTES:
            self._store.create(single_key(image_hash), data)
            return image_hash
        if len(self._images) == PACK_IMAGES or self._bytes + len(data) > PACK_BYTES:
            self._write_pack()
        self._positions.add(image_hash, len(self._packs) * PACK_IMAGES + len(self._images))
        self._hashes.append(image_hash)
        self._images.append(data)
        self._bytes += len(data)
        return image_hash

    def close(self) -> None:
        """Writes the last pack and then the index; a pack without an index is never read.

        Raises:
            StoreError: The store cannot be written.
        """
        if not self._positions:
            return
        self._write_pack()
        with scratch_folder("index") as name:
            path = Path(name) / "index.parquet"
            entries = (
                (image, Position(self._packs[at // PACK_IMAGES], at % PACK_IMAGES))
                for image, at in self._positions.sorted_items()
            )
            with disk_errors_named(f"write {path}"):
                write_index(path, entries)
            self._store.upload(path, index_key(sha256_file(path)))

    def _write_pack(self) -> None:
        data = pack_bytes(self._hashes, self._images)
        pack = sha256_bytes(data)
        self._store.create(pack_key(pack), data)
        self._packs.append(pack)
        self._hashes, self._images, self._bytes = [], [], 0
