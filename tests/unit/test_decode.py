"""Whatever is in a file, decoding it gives RGB or an error in words."""

import io
import random

import pytest
from PIL import Image

from judgeloop.schema.errors import DataError
from judgeloop.store.images.decode import FORMATS, decode_image

MUTATIONS = 400


@pytest.mark.parametrize("kind", FORMATS)
def test_a_damaged_file_is_an_error_in_words_or_an_image(kind: str) -> None:
    rng = random.Random(kind)
    image = Image.frombytes("RGB", (24, 16), rng.randbytes(24 * 16 * 3))
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a picture"
    buffer = io.BytesIO()
    image.save(buffer, kind, **({} if kind in ("BMP", "GIF") else {"exif": exif}))
    sound = buffer.getvalue()
    refused = 0
    for _ in range(MUTATIONS):
        data = bytearray(sound)
        for _ in range(rng.choice([1, 2, 5, 20])):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            assert decode_image(bytes(data), 100_000).mode == "RGB"
        except DataError:
            refused += 1
    assert refused


def test_a_grey_image_of_16_bits_keeps_its_shades() -> None:
    image = Image.new("I;16", (5, 1))
    for place in range(5):
        image.putpixel((place, 0), place * 16384 - (place == 4))
    for kind in ("PNG", "TIFF"):
        buffer = io.BytesIO()
        image.save(buffer, kind)
        found = decode_image(buffer.getvalue(), 100)
        assert [found.getpixel((place, 0))[0] for place in range(5)] == [0, 63, 127, 191, 255]
