"""Small copies of images inside the page, up to a limit on their total size."""

from __future__ import annotations

import base64
import io

from judgeloop.schema.errors import JudgeLoopError
from judgeloop.schema.records import Record
from judgeloop.store.images import ImageLibrary

LIMIT_BYTES = 15 * 10**6
"""Limit for all thumbnails of a page, so that the page itself stays below 20 MB."""


class Thumbnail(Record, frozen=True, kw_only=True):
    """A small copy of an image; `uri` is empty if there is none, and `alt` says why."""

    uri: str
    width: int
    """Displayed width in pixels; a small image is enlarged by an integer factor."""
    height: int
    alt: str
    enlarged: bool = False

    @property
    def kind(self) -> str:
        """`png` or `jpeg`."""
        return self.uri.partition(";")[0].rpartition("/")[2]

    def data(self) -> bytes:
        """Returns the bytes of the image file."""
        return base64.b64decode(self.uri.partition(",")[2])


class Thumbnails:
    """Makes the thumbnails of one page.

    Args:
        images: Opens the images.
        size: Largest width and height in pixels.
    """

    def __init__(self, images: ImageLibrary, size: int) -> None:
        self._images = images
        self._size = size
        self._left = LIMIT_BYTES

    def make(self, name: str, alt: str) -> Thumbnail:
        """Makes a copy of an image; small ones stay lossless."""
        try:
            image = self._images.open(name)
        except JudgeLoopError:
            return self._blank(f"{alt} can't be read")
        image.thumbnail((self._size, self._size))
        zoom = self._size // max(image.size)
        kind = "PNG" if zoom > 1 else "JPEG"
        buffer = io.BytesIO()
        image.save(buffer, format=kind, quality=82)
        uri = f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
        if len(uri) > self._left:
            return self._blank(f"{alt} is left out: the page's thumbnails fill {LIMIT_BYTES:,} B")
        self._left -= len(uri)
        return Thumbnail(
            uri=uri,
            width=image.width * zoom,
            height=image.height * zoom,
            alt=alt,
            enlarged=zoom > 1,
        )

    def _blank(self, alt: str) -> Thumbnail:
        return Thumbnail(uri="", width=self._size, height=self._size, alt=alt)
