"""From an image's bytes to the pixels that every engine and the training see.

Everything that decides these pixels is done here, once: frame 1 of an animation, turned upright,
transparency composed on the background, 8 bits a channel in RGB, and at most `max_pixels`.
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
"""Pixels of 32 bits: nothing says which value is white, and converted as they are, most would be.
"""


def decode_image(data: bytes, max_pixels: int, background: str = WHITE) -> Image.Image:
    """Decodes an image to upright RGB of at most `max_pixels`.

    Args:
        data: The encoded image.
        max_pixels: Width x height; a larger image is made smaller, in its shape.
        background: Colour behind transparent pixels, by name or as `#rrggbb`.

    Raises:
        DataError: Not an image of a known format, more than `LARGEST_PIXELS`, pixels of 32 bits,
            nothing but transparent pixels, or broken.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a broken file is an error or it is none
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
    except Exception as error:  # in a damaged file Pillow stumbles over whatever it did not expect
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
    if image.mode.startswith("I;16"):  # Pillow would cut values off at 255: all but black is white
        image = _in_8_bits(image)
    if not image.has_transparency_data:
        return image.convert("RGB")
    picture = image.convert("RGBA")
    if picture.getchannel("A").getextrema() == (0, 0):
        raise DataError("image is transparent everywhere: there is nothing to be seen")
    behind = Image.new("RGBA", picture.size, ImageColor.getrgb(background))
    return Image.alpha_composite(behind, picture).convert("RGB")


def _in_8_bits(image: Image.Image) -> Image.Image:
    """Makes a grey image of 16 bits one of 8, or one with alpha where a value is transparent."""
    values = image.convert("I")
    grey = values.point(lambda value: value / 257).convert("L")
    transparent = image.info.get("transparency")
    if transparent is None:
        return grey
    alpha = Image.fromarray(np.where(np.asarray(values) == transparent, 0, 255).astype(np.uint8))
    return Image.merge("LA", (grey, alpha))


def _smaller(image: Image.Image, max_pixels: int) -> Image.Image:
    width, height = image.size
    if width * height <= max_pixels:
        return image
    share = (max_pixels / (width * height)) ** 0.5
    width, height = max(1, int(width * share)), max(1, int(height * share))
    width = max(1, min(width, max_pixels // height))  # where the height can shrink no more
    height = min(height, max_pixels // width)
    return image.resize((width, height), Image.Resampling.BICUBIC)
