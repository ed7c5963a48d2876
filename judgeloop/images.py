"""The image library: every image once, by the hash of its bytes, below `images/` in the store.

Covers checking on the way in (format, size, truncation) and decoding on the way out through a
bounded cache with prefetch. Records hold hashes only. Not covered: resizing, which is the
processor's business.
"""

from __future__ import annotations

import io
import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from PIL import Image, ImageOps, UnidentifiedImageError

from judgeloop.errors import DataError
from judgeloop.store import Store
from judgeloop.store.checksums import sha256_bytes

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
CACHE_BYTES = 256 * 2**20
FETCH_THREADS = 8


def check_image(data: bytes, max_pixels: int) -> None:
    """Checks that the bytes are a whole image of a known format within the limit.

    Args:
        data: The encoded image.
        max_pixels: Width x height above this is refused before anything is decoded.

    Raises:
        DataError: Says what is wrong with the image.
    """
    decode_image(data, max_pixels)


def decode_image(data: bytes, max_pixels: int) -> Image.Image:
    """Decodes an image to RGB, turned upright by its EXIF orientation; animations give frame 1.

    Raises:
        DataError: Not an image of a known format, too many pixels, or truncated.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            width, height = image.size
            if width * height > max_pixels:
                raise DataError(
                    f"image of {width} x {height} pixels is over the limit of {max_pixels}; "
                    "make it smaller or raise data.max_pixels"
                )
            return ImageOps.exif_transpose(image).convert("RGB")
    except UnidentifiedImageError as error:
        raise DataError(f"not an image ({', '.join(FORMATS)} are read)") from error
    except Image.DecompressionBombError as error:
        raise DataError(f"image is a decompression bomb: {error}") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"image is broken or truncated: {error}") from error


class ImageLibrary:
    """Adds images to the store and opens them by hash.

    Args:
        store: Where images live, below `images/`.
        max_pixels: Limit on width x height.
    """

    def __init__(self, store: Store, max_pixels: int) -> None:
        self._store = store
        self._max_pixels = max_pixels
        self._cache: OrderedDict[str, bytes] = OrderedDict()
        self._cached_bytes = 0
        self._lock = threading.Lock()

    @staticmethod
    def key(image_hash: str) -> str:
        """Returns the store key of an image."""
        return f"images/{image_hash[:2]}/{image_hash}"

    def add(self, data: bytes) -> str:
        """Checks an image and stores it unless it is there; returns its hash.

        Raises:
            DataError: The image cannot be used.
            StoreError: The store cannot be written.
        """
        check_image(data, self._max_pixels)
        image_hash = sha256_bytes(data)
        self._store.create(self.key(image_hash), data)
        return image_hash

    def read(self, image_hash: str) -> bytes:
        """Returns an image's encoded bytes.

        Raises:
            StoreError: It is missing, or its bytes don't match its hash.
        """
        with self._lock:
            if image_hash in self._cache:
                self._cache.move_to_end(image_hash)
                return self._cache[image_hash]
        data = self._store.read(self.key(image_hash))
        if sha256_bytes(data) != image_hash:
            raise DataError(
                f"image {image_hash}: the stored bytes have another hash; delete "
                f"{self.key(image_hash)} and run `ingest` again"
            )
        self._remember(image_hash, data)
        return data

    def open(self, image_hash: str) -> Image.Image:
        """Returns an image as upright RGB.

        Raises:
            DataError: The bytes are no usable image.
            StoreError: It is missing.
        """
        return decode_image(self.read(image_hash), self._max_pixels)

    def prefetch(self, hashes: Iterable[str]) -> None:
        """Fetches images into the cache in parallel; a failure shows when the image is opened."""
        with ThreadPoolExecutor(FETCH_THREADS) as pool:
            for future in [pool.submit(self.read, name) for name in dict.fromkeys(hashes)]:
                future.exception()

    def _remember(self, image_hash: str, data: bytes) -> None:
        with self._lock:
            if image_hash not in self._cache:
                self._cache[image_hash] = data
                self._cached_bytes += len(data)
            while self._cached_bytes > CACHE_BYTES:
                _, dropped = self._cache.popitem(last=False)
                self._cached_bytes -= len(dropped)
