"""Image files of every kind that data sets hold, and what a person sees in each."""

import io
from collections.abc import Callable
from typing import Any

from PIL import Image, ImageDraw

RED, BLUE, BLACK, WHITE = (255, 0, 0), (0, 0, 255), (0, 0, 0), (255, 255, 255)
SIZE = (16, 8)
"""The left half has a mark's colour, the right half is background."""
Pixel = tuple[int, int, int]
Make = Callable[[], bytes]


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """An image's file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def halves(mode: str, left: Any, right: Any, size: tuple[int, int] = SIZE) -> Image.Image:
    """An image of two colours, side by side."""
    image = Image.new(mode, size, right)
    ImageDraw.Draw(image).rectangle((0, 0, size[0] // 2 - 1, size[1] - 1), fill=left)
    return image


def palette(transparent: int | bytes | None = None) -> Image.Image:
    """Black beside index 1, which is black too."""
    image = Image.new("P", SIZE, 1)
    image.putpalette([0] * 768)
    image.paste(0, (0, 0, SIZE[0] // 2, SIZE[1]))
    if transparent is not None:
        image.info["transparency"] = transparent
    return image


def grey_16(transparent: int | None = None) -> bytes:
    """Value 100 beside value 200 of 65,535: both are black, one of them may be transparent."""
    image = halves("I;16", 100, 200)
    return saved(image, "PNG", **({} if transparent is None else {"transparency": transparent}))


def frames(kind: str, colours: tuple[Any, ...], mode: str = "RGB", **options: Any) -> bytes:
    """An animation."""
    images = [halves(mode, colour, colour) for colour in colours]
    return saved(images[0], kind, save_all=True, append_images=images[1:], **options)


def turned(orientation: int, kind: str = "JPEG") -> bytes:
    """A camera's file: red left, blue right, once it is turned as the note says."""
    undo = {
        1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]  # fmt: skip
    image = halves("RGB", RED, BLUE, (64, 32))
    image = image if undo is None else image.transpose(undo)
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(image, kind, exif=exif, **({"quality": 95} if kind == "JPEG" else {}))


CLEAR, INK = (0, 0, 0, 0), (0, 0, 0, 255)
TRANSPARENT: dict[str, Make] = {
    "png_rgba": lambda: saved(halves("RGBA", INK, CLEAR), "PNG"),
    "png_grey_alpha": lambda: saved(halves("LA", (0, 255), (0, 0)), "PNG"),
    "png_palette_index": lambda: saved(palette(1), "PNG"),
    "png_palette_alphas": lambda: saved(palette(bytes([255, 0])), "PNG"),
    "png_rgb_colour": lambda: saved(halves("RGB", BLACK, (0, 0, 1)), "PNG", transparency=(0, 0, 1)),
    "png_grey_value": lambda: saved(halves("L", 0, 1), "PNG", transparency=1),
    "png_one_bit": lambda: saved(halves("1", 0, 1), "PNG", transparency=1),
    "png_16_bits": lambda: grey_16(200),
    "webp": lambda: saved(halves("RGBA", INK, CLEAR), "WEBP", lossless=True),
    "gif": lambda: saved(palette(1), "GIF", transparency=1),
    "tiff_rgba": lambda: saved(halves("RGBA", INK, CLEAR), "TIFF"),
    "tiff_grey_alpha": lambda: saved(halves("LA", (0, 255), (0, 0)), "TIFF"),
    "apng": lambda: saved(
        halves("RGBA", INK, CLEAR), "PNG", save_all=True,
        append_images=[halves("RGBA", CLEAR, INK)],
    ),
}  # fmt: skip
"""Black ink on transparency whose colour is black, or nearly."""

OPAQUE: dict[str, tuple[Make, Pixel, Pixel]] = {
    "jpeg": (lambda: saved(halves("RGB", RED, BLUE, (64, 32)), "JPEG", quality=95), RED, BLUE),
    "jpeg_progressive": (
        lambda: saved(
            halves("RGB", RED, BLUE, (64, 32)), "JPEG", progressive=True, quality=95
        ), RED, BLUE,
    ),
    "jpeg_grey": (lambda: saved(halves("L", 0, 255, (64, 32)), "JPEG"), BLACK, WHITE),
    "jpeg_cmyk": (
        lambda: saved(
            halves("CMYK", (0, 255, 255, 0), (255, 255, 0, 0), (64, 32)), "JPEG", quality=95
        ), RED, BLUE,
    ),
    "tiff_cmyk": (
        lambda: saved(halves("CMYK", (0, 255, 255, 0), (255, 255, 0, 0)), "TIFF"), RED, BLUE,
    ),
    "png_16_bits": (lambda: saved(halves("I;16", 0, 65535), "PNG"), BLACK, WHITE),
    "tiff_16_bits": (lambda: saved(halves("I;16", 0, 65535), "TIFF"), BLACK, WHITE),
    "png_one_bit": (lambda: saved(halves("1", 0, 1), "PNG"), BLACK, WHITE),
    "tiff_fax": (
        lambda: saved(halves("1", 0, 1, (64, 32)), "TIFF", compression="group4"), BLACK, WHITE,
    ),
    "png_palette": (
        lambda: saved(halves("RGB", RED, BLUE).quantize(4), "PNG"), RED, BLUE,
    ),
    "bmp": (lambda: saved(halves("RGB", RED, BLUE), "BMP"), RED, BLUE),
    "gif_animated": (lambda: frames("GIF", (RED, BLUE)), RED, RED),
    "webp_animated": (lambda: frames("WEBP", (RED, BLUE), lossless=True), RED, RED),
    "apng": (lambda: frames("PNG", (RED, BLUE)), RED, RED),
    "tiff_pages": (lambda: frames("TIFF", (RED, BLUE)), RED, RED),
    **{
        f"jpeg_orientation_{number}": ((lambda n=number: turned(n)), RED, BLUE)
        for number in range(1, 9)
    },
    "png_orientation": (lambda: turned(6, "PNG"), RED, BLUE),
    "webp_orientation": (lambda: turned(8, "WEBP"), RED, BLUE),
    "tiff_orientation": (lambda: turned(3, "TIFF"), RED, BLUE),
}  # fmt: skip
"""A file, and the colours of its left and right half."""
