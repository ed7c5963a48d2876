"""Decodes an image's bytes to the pixels that every engine and the training see.

Everything that affects these pixels is done here: frame 1 of an animation, turned upright,
transparency composed on the background, 8 bits per channel in RGB, and at most `max_pixels`.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image, ImageColor, ImageOps, UnidentifiedImageError

from judgeloop.schema.errors import DataError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
LARGEST_PIXELS = 100_000_000
"""Width x height above which nothing is decoded: 300 MB as RGB."""
WHITE = "white"
_WITHOUT_RANGE = ("I", "F")
"""Modes with 32-bit pixels: they do not define a white value, and a plain conversion would make
most pixels white.
"""


def decode_image(data: bytes, max_pixels: int, background: str = WHITE) -> Image.Image:
    """Decodes an image to upright RGB of at most `max_pixels`.

    Args:
        data: The encoded image.
        max_pixels: Width x height; a larger image is scaled down and keeps its aspect ratio.
        background: Color behind transparent pixels, by name or as `#rrggbb`.

    Raises:
        DataError: Not an image of a known format, more than `LARGEST_PIXELS`, pixels of 32 bits,
            nothing but transparent pixels, or broken.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a broken file either raises or is read
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            _refuse(image)
            return _smaller(_in_rgb(ImageOps.exif_transpose(image), background), max_pixels)
    except (DataError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise DataError(f"not an image ({', '.join(FORMATS)} are read)") from error
    except Image.DecompressionBombError as error:
        raise DataError(
            f"image has far more pixels than the limit of {LARGEST_PIXELS} ({error}); make it "
            "smaller"
        ) from error
    except Exception as error:  # for a damaged file Pillow raises many types of exceptions
        raise DataError(f"image is broken or truncated: {error}") from error


def _refuse(image: Image.Image) -> None:
    width, height = image.size
    if width * height > LARGEST_PIXELS:
        raise DataError(
            f"image of {width} x {height} pixels is over the limit of {LARGEST_PIXELS}; make it "
            "smaller"
        )
    if image.mode in _WITHOUT_RANGE:
        raise DataError("image has pixels of 32 bits; save it with 8 or 16 bits a channel")


def _in_rgb(image: Image.Image, background: str) -> Image.Image:
    if image.mode.startswith("I;16"):  # Pillow would clip at 255, and all but black would be white
        image = _in_8_bits(image)
    if not image.has_transparency_data:
        return image.convert("RGB")
    picture = image.convert("RGBA")
    if picture.getchannel("A").getextrema() == (0, 0):
        raise DataError("image is transparent everywhere: there is nothing to be seen")
    behind = Image.new("RGBA", picture.size, ImageColor.getrgb(background))
    return Image.alpha_composite(behind, picture).convert("RGB")


def _in_8_bits(image: Image.Image) -> Image.Image:
    """Converts a gray 16-bit image to 8 bits, with an alpha channel if one value is transparent."""
    values = image.convert("I")
    gray = values.point(lambda value: value / 257).convert("L")
    transparent = image.info.get("transparency")
    if transparent is None:
        return gray
    alpha = Image.fromarray(np.where(np.asarray(values) == transparent, 0, 255).astype(np.uint8))
    return Image.merge("LA", (gray, alpha))


def _smaller(image: Image.Image, max_pixels: int) -> Image.Image:
    width, height = image.size
    if width * height <= max_pixels:
        return image
    share = (max_pixels / (width * height)) ** 0.5
    width, height = max(1, int(width * share)), max(1, int(height * share))
    width = max(1, min(width, max_pixels // height))  # where the height cannot be reduced further
    height = min(height, max_pixels // width)
    return image.resize((width, height), Image.Resampling.BICUBIC)
