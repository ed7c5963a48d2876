"""From an image's bytes to its pixels, with the checks that hostile or broken files need."""

from __future__ import annotations

import io
import warnings

from PIL import Image, ImageOps, UnidentifiedImageError

from judgeloop.schema.errors import DataError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
_WITHOUT_RANGE = ("I", "F")
"""Pixels of 32 bits: nothing says which value is white, and converted as they are, most would be.
"""


def decode_image(data: bytes, max_pixels: int) -> Image.Image:
    """Decodes an image to RGB, turned upright by its EXIF orientation; animations give frame 1.

    CMYK, grey, palette and 16-bit images become RGB of 8 bits; transparency is left out.

    Args:
        data: The encoded image.
        max_pixels: Width x height above this is refused before anything is decoded.

    Raises:
        DataError: Not an image of a known format, too many pixels, pixels of 32 bits, or broken.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a broken file is an error or it is none
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            _refuse(image, max_pixels)
            return _in_rgb(ImageOps.exif_transpose(image))
    except (DataError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise DataError(f"not an image ({', '.join(FORMATS)} are read)") from error
    except Image.DecompressionBombError as error:
        raise DataError(
            f"image has far more pixels than the limit of {max_pixels} ({error}); make it smaller"
        ) from error
    except Exception as error:  # in a damaged file Pillow stumbles over whatever it did not expect
        raise DataError(f"image is broken or truncated: {error}") from error


def _refuse(image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise DataError(
            f"image of {width} x {height} pixels is over the limit of {max_pixels}; "
            "make it smaller or raise data.max_pixels"
        )
    if image.mode in _WITHOUT_RANGE:
        raise DataError("image has pixels of 32 bits; save it with 8 or 16 bits a channel")


def _in_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):  # Pillow would cut values off at 255: all but black is white
        image = image.convert("I").point(lambda value: value / 257).convert("L")
    return image.convert("RGB")
