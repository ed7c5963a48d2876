"""Images that cannot be used, and unusual ones that can."""

import struct
import zlib

from PIL import Image

from tests.bad_input.case import (
    Case,
    Make,
    beside_good_rows,
    normalized,
    png,
    question,
    with_image,
)
from tests.image_files import OPAQUE, TRANSPARENT, saved

GROUP = "Images"
INK_ON_WHITE = r"first pixel \(0, 0, 0\), last \(255, 255, 255\)"


def chunk(name: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def black_png(side: int, extra: bytes = b"") -> bytes:
    """A complete, square, black PNG of one bit per pixel, which makes a very small file."""
    packer, row = zlib.compressobj(1), bytes(1 + side // 8)
    body = b"".join(packer.compress(row * 100) for _ in range(side // 100)) + packer.flush()
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    parts = (head, extra, chunk(b"IDAT", body), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def rotated() -> bytes:
    """A camera's picture: the sensor's rows, and a note to turn them a quarter."""
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right
    image = Image.new("RGB", (16, 8), (255, 0, 0))
    image.paste((0, 0, 255), (0, 0, 8, 8))
    return saved(image, "PNG", exif=exif)


def animated() -> bytes:
    """A red frame, then a blue one."""
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    return saved(frames[0], "GIF", save_all=True, append_images=frames[1:])


def grey_16() -> bytes:
    """A row from black to white in 16 bits."""
    image = Image.new("I;16", (2, 1))
    image.putpixel((1, 0), 65535)
    return saved(image, "PNG")


def broken_exif() -> bytes:
    """A picture that says how to turn it, and gives a text for its resolution."""
    turn = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    resolution = struct.pack("<HHI4s", 0x011A, 2, 2, b"x")
    notes = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + turn + resolution + bytes(4)
    return saved(Image.new("RGB", (8, 8)), "WEBP", exif=notes)


def cmyk() -> bytes:
    """A print shop's red."""
    return saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG")


def float_pixels() -> bytes:
    """Values from 0 to 1, by some programs; nothing in the file says so."""
    return saved(Image.new("F", (4, 4), 0.5), "TIFF")


def text_bomb() -> bytes:
    """A comment of 80 MB that takes 80 KB."""
    return black_png(800, chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(80_000_000))))


def bad(what: str, data: Make, words: str) -> Case:
    return Case(GROUP, what, with_image(data), words, reason="bad_image")


def named(what: str, name: str, words: str) -> Case:
    row = question(1, images=[name])
    return Case(GROUP, what, beside_good_rows(row), words, reason="bad_image")


def unusual(what: str, data: Make, words: str) -> Case:
    return Case(GROUP, what, normalized(data), words, accepted=True)


IMAGES = [
    named("an image that is missing", "none.png", "there is no image 'none.png' in"),
    bad("an empty file", lambda: b"", "not an image"),
    bad("a truncated image", lambda: png(5, (64, 64))[:-30], "broken or truncated"),
    bad("a page of HTML in place of an image", lambda: b"<html>404</html>", "not an image"),
    bad("an SVG", lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
    bad("an image of 12,000 x 12,000 pixels", lambda: black_png(12_000), "limit of 100000000"),
    bad("an image of 20,000 x 20,000 pixels", lambda: black_png(20_000), "400000000 pixels"),
    bad("a decompression bomb: a comment of 80 MB", text_bomb, "too large"),
    bad("an image whose EXIF data are damaged", broken_exif, "broken or truncated"),
    bad("an image that is transparent everywhere", lambda: saved(
        Image.new("RGBA", (8, 8), (255, 0, 0, 0)), "PNG"), "nothing to be seen"),
    bad("an image with pixels of 32 bits", float_pixels, "8 or 16 bits a channel"),
    named("a path out of the data set's folder", "../secret.png", "without empty, '.' or '..'"),
    named("an absolute path", "/etc/passwd", "relative to their file"),
    named("an address in place of a path", "https://host/a.png", "is an address, not a path"),
    named("a path with a control character", "a\0.png", "control characters"),
    named("a folder in place of an image", "folder", "there is no image 'folder' in"),
    Case(
        GROUP, "a row that names no image", beside_good_rows(question(1, images=[])),
        "the row names no image", reason="bad_image",
    ),
    unusual("a red CMYK image", cmyk, r"RGB, 8 x 8, first pixel \(25\d, \d, \d\)"),
    unusual("an animation, red then blue", animated, r"first pixel \(255, 0, 0\)"),
    unusual(
        "a red image of 16 x 8 with EXIF's `turn right`, its left half blue", rotated,
        r"RGB, 8 x 16, first pixel \(0, 0, 255\), last \(255, 0, 0\)",
    ),
    unusual(
        "a grey image of 16 bits, black and white", grey_16,
        r"first pixel \(0, 0, 0\), last \(255, 255, 255\)",
    ),
    unusual("black ink on a transparent PNG", TRANSPARENT["png_rgba"], INK_ON_WHITE),
    unusual("black ink on a transparent PNG of a palette", TRANSPARENT["png_palette_alphas"],
            INK_ON_WHITE),
    unusual("black ink on a transparent WebP", TRANSPARENT["webp"], INK_ON_WHITE),
    unusual("black ink on a transparent GIF", TRANSPARENT["gif"], INK_ON_WHITE),
    unusual("a photograph of 12 megapixels", lambda: png(255, (4000, 3000)),
            r"RGB, 1156 x 867, first pixel \(255, 0, 0\)"),
    unusual("a progressive JPEG", OPAQUE["jpeg_progressive"][0], r"RGB, 64 x 32, .*\(254, 0, 0\)"),
]  # fmt: skip
