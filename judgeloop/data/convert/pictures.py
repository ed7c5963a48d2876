"""Prefetches the images of rows, each path once, in constant memory."""

from __future__ import annotations

import io
import logging
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from judgeloop.data.convert.layouts import Draft
from judgeloop.data.images import READ_AHEAD, READ_THREADS, read_image
from judgeloop.schema.errors import DataError, StoreError
from judgeloop.schema.records import Dropped
from judgeloop.store import Store
from judgeloop.store.checksums import sha256_bytes
from judgeloop.store.disk_dict import DiskDict

SUFFIXES = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif", "BMP": "bmp", "TIFF": "tif"}
"""File name suffixes of the image formats that are kept."""


class Fetched(NamedTuple):
    """The name of a written image, or why it was not written."""

    name: str
    fault: str


_Asked = tuple[bytes | str, "Future[Fetched]"]


class Pictures:
    """Writes each image once, under the hash of its bytes.

    Args:
        source: Folder or prefix to which paths are relative.
        folder: Where images are written.
    """

    def __init__(self, source: Store | None, folder: Path) -> None:
        self._source = source
        self._folder = folder
        self._fetched: DiskDict[str, str] = DiskDict()
        """By path, the name of the file that was written."""
        logging.getLogger("PIL").setLevel(logging.WARNING)

    def placed(
        self, drafts: Iterator[tuple[str, Draft | Dropped]]
    ) -> Iterator[tuple[str, Draft | Dropped, list[Fetched]]]:
        """Yields rows in their order with their images, which are fetched some rows ahead."""
        waiting: deque[tuple[str, Draft | Dropped, list[_Asked]]] = deque()
        in_flight: dict[str, Future[Fetched]] = {}
        with ThreadPoolExecutor(READ_THREADS) as pool:
            for place, draft in drafts:
                images = () if isinstance(draft, Dropped) else draft.images
                asked = [(image, self._ask(pool, image, in_flight)) for image in images]
                waiting.append((place, draft, asked))
                if len(waiting) == READ_AHEAD:
                    yield self._taken(*waiting.popleft(), in_flight)
            while waiting:
                yield self._taken(*waiting.popleft(), in_flight)

    def _ask(
        self, pool: ThreadPoolExecutor, image: bytes | str, in_flight: dict[str, Future[Fetched]]
    ) -> Future[Fetched]:
        if isinstance(image, bytes):
            return pool.submit(self._keep, image)
        known = self._fetched.get(image)
        if known is not None:
            done: Future[Fetched] = Future()
            done.set_result(Fetched(known, ""))
            return done
        if image not in in_flight:
            in_flight[image] = pool.submit(self._fetch, image)
        return in_flight[image]

    def _taken(
        self,
        place: str,
        draft: Draft | Dropped,
        asked: list[_Asked],
        in_flight: dict[str, Future[Fetched]],
    ) -> tuple[str, Draft | Dropped, list[Fetched]]:
        found = []
        for image, future in asked:
            fetched = future.result()
            found.append(fetched)
            if isinstance(image, str):
                in_flight.pop(image, None)
                if not fetched.fault:
                    self._fetched.add(image, fetched.name)
        return place, draft, found

    def _fetch(self, path: str) -> Fetched:
        if self._source is None:
            return Fetched("", f"{path}: the data set names a path, and images must be in its rows")
        root = self._source.uri + "/"
        try:  # the builder of image folders gives absolute paths; the store refuses others
            return self._keep(read_image(self._source, path.removeprefix(root)))
        except StoreError as error:
            return Fetched("", str(error))

    def _keep(self, data: bytes) -> Fetched:
        """Writes an image under its hash; two threads may write the same bytes."""
        try:
            name = f"{sha256_bytes(data)}.{_suffix(data)}"
        except DataError as error:
            return Fetched("", str(error))
        file = self._folder / name
        if not file.exists():
            unfinished = self._folder / f".{name}.{id(data)}"
            unfinished.write_bytes(data)
            unfinished.replace(file)
        return Fetched(name, "")


def _suffix(data: bytes) -> str:
    """Reads the format from the header; the image is decoded when it is ingested."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=list(SUFFIXES)) as image:
            return SUFFIXES[str(image.format)]
    except Exception as error:  # Pillow raises many kinds for bytes that are no image
        raise DataError(f"no image of a known format ({type(error).__name__})") from error
