"""Whatever is in a file, decoding it gives RGB or an error in words."""

import io
import random
from pathlib import Path

import pytest
from PIL import Image

from judgeloop.schema.errors import DataError
from judgeloop.store import FolderStore
from judgeloop.store.images import ImageLibrary
from judgeloop.store.images.decode import FORMATS, decode_image
from judgeloop.store.images.portable import portable_image
from tests.bad_input.images import black_png
from tests.conftest import REPOSITORY
from tests.image_files import BLACK, OPAQUE, RED, SIZE, TRANSPARENT, WHITE, saved
from tests.unit.test_training_job import make_job

MUTATIONS = 400
CASES = REPOSITORY.parent / "shared" / "cases"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason=f"{CASES} is not here")


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
            made = decode_image(bytes(data), 5_000)
            assert made.mode == "RGB"
            assert made.width * made.height <= 5_000
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


def corners(image: Image.Image) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The colours at the left and the right edge."""
    places = (1, image.height // 2), (image.width - 2, image.height // 2)
    return image.getpixel(places[0]), image.getpixel(places[1])


def near(found: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    return all(abs(a - b) <= 6 for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("name", TRANSPARENT)
def test_ink_on_transparency_is_seen_on_the_background(name: str) -> None:
    data = TRANSPARENT[name]()
    for background, colour in (("white", WHITE), ("#ff0000", RED)):
        left, right = corners(decode_image(data, 10_000, background))
        assert near(left, BLACK), name
        assert near(right, colour), name


def test_half_transparent_pixels_are_mixed_with_the_background() -> None:
    data = saved(Image.new("RGBA", SIZE, (0, 0, 255, 128)), "PNG")
    assert near(decode_image(data, 10_000).getpixel((0, 0)), (127, 127, 255))
    assert near(decode_image(data, 10_000, "black").getpixel((0, 0)), (0, 0, 128))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_an_image_that_is_transparent_everywhere_is_refused(kind: str) -> None:
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    data = saved(Image.new("RGBA", SIZE, (255, 0, 0, 0)), kind, **options)
    with pytest.raises(DataError, match="transparent everywhere"):
        decode_image(data, 10_000)


@pytest.mark.parametrize("name", OPAQUE)
def test_a_file_shows_what_a_person_sees(name: str) -> None:
    make, left, right = OPAQUE[name]
    image = decode_image(make(), 10_000)
    assert near(corners(image)[0], left), corners(image)
    assert near(corners(image)[1], right), corners(image)
    assert image.width == 2 * image.height


@needs_cases
@pytest.mark.parametrize(
    "name", ["black_text_on_transparent.png", "black_text_on_transparent_palette.png"]
)
def test_black_text_on_transparency_can_be_read(name: str) -> None:
    image = decode_image((CASES / name).read_bytes(), 10_000)
    colours = image.getcolors()
    assert colours is not None
    paper = sum(count for count, colour in colours if colour == WHITE)
    ink = sum(count for count, colour in colours if max(colour) < 64)
    assert paper > ink > 30


@pytest.mark.parametrize(
    ("size", "limit", "expected"),
    [
        ((4000, 3000), 1_000_000, (1154, 866)),
        ((3000, 4000), 1_000_000, (866, 1154)),
        ((1000, 1000), 1_000_000, (1000, 1000)),
        ((1001, 1000), 1_000_000, (1000, 999)),
        ((12_000, 100), 100_000, (3464, 28)),
        ((50_000, 1), 100, (100, 1)),
        ((1, 50_000), 100, (1, 100)),
        ((3, 3), 1, (1, 1)),
    ],
)
def test_a_larger_image_is_made_smaller_in_its_shape(
    size: tuple[int, int], limit: int, expected: tuple[int, int]
) -> None:
    image = decode_image(saved(Image.new("RGB", size, RED), "PNG"), limit)
    assert image.size == expected
    assert image.getpixel((0, 0)) == RED


def test_nothing_of_more_than_a_hundred_megapixels_is_decoded() -> None:
    with pytest.raises(DataError, match="12000 x 12000 pixels is over the limit of 100000000"):
        decode_image(black_png(12_000), 1_000)


@pytest.mark.parametrize("name", [*TRANSPARENT, *(f"opaque_{name}" for name in OPAQUE)])
@pytest.mark.parametrize("limit", [10_000, 50])
def test_engines_endpoints_and_the_training_see_the_same_pixels(
    tmp_path: Path, name: str, limit: int
) -> None:
    opaque = name.removeprefix("opaque_")
    data = TRANSPARENT[name]() if name in TRANSPARENT else OPAQUE[opaque][0]()
    library = ImageLibrary(FolderStore(tmp_path / "store"), limit, "#00ff00")
    image = library.add(data)
    seen = library.open(image)
    assert seen.width * seen.height <= limit
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / image).write_bytes(library.read(image))
    job = make_job(tmp_path, max_pixels=limit, background="#00ff00")
    assert job.open_image(image).tobytes() == seen.tobytes()
    kind, sent = portable_image(data, seen)
    with Image.open(io.BytesIO(sent)) as received:
        assert f"image/{received.format}".lower() == kind
        assert not received.has_transparency_data
        assert received.convert("RGB").tobytes() == seen.tobytes()
