"""Images that an endpoint is sent: as they are, or as a PNG where readers would differ."""

import io

import pytest
from PIL import Image

from judgeloop.store.images import decode_image
from judgeloop.store.images.portable import portable_image


def png(colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (20, 10), colour).save(buffer, "PNG")
    return buffer.getvalue()


def test_an_image_is_sent_as_it_is_where_every_reader_sees_the_same() -> None:
    data = png("red")
    assert portable_image(data, decode_image(data, 1000)) == ("image/png", data)


@pytest.mark.parametrize("look", ["turned", "transparent", "rare"])
def test_an_image_that_readers_see_differently_is_sent_as_its_pixels(look: str) -> None:
    picture = Image.new("RGB", (20, 10), "red")
    picture.paste((0, 0, 255), (0, 0, 5, 10))
    buffer = io.BytesIO()
    if look == "turned":
        exif = Image.Exif()
        exif[0x0112] = 6
        picture.save(buffer, "JPEG", exif=exif)
    elif look == "transparent":
        picture.putalpha(40)
        picture.save(buffer, "PNG")
    else:
        picture.save(buffer, "TIFF")
    seen = decode_image(buffer.getvalue(), 1000)
    kind, sent = portable_image(buffer.getvalue(), seen)
    assert kind == "image/png"
    with Image.open(io.BytesIO(sent)) as image:
        assert image.mode == "RGB"
        assert image.tobytes() == seen.tobytes()
