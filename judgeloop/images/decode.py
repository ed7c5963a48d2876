"""From an image's bytes to its pixels, with the checks that hostile or broken files need."""

from __future__ import annotations

import io
import warnings

from PIL import Image, ImageOps, UnidentifiedImageError

from judgeloop.errors import DataError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")


def decode_image(data: bytes, max_pixels: int) -> Image.Image:
    """Decodes an image to RGB, turned upright by its EXIF orientation; animations give frame 1.

    Args:
        data: The encoded image.
        max_pixels: Width x height above this is refused before anything is decoded.

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
