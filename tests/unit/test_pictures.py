"""Images are decoded ahead by threads, once for requests near each other, and then forgotten."""

import threading
import weakref
from pathlib import Path

import pytest
from PIL import Image

from judgeloop.engines.pictures import THREADS, Pictures, UnusableImageError
from judgeloop.schema.errors import StoreError
from judgeloop.store import FolderStore
from judgeloop.store.images import ImageLibrary
from tests.unit.test_images import picture

LONG_S = 30.0


class Watched(ImageLibrary):
    """Notes what is opened and by how many threads at a time."""

    def __init__(self, folder: Path) -> None:
        super().__init__(FolderStore(folder), max_pixels=10_000)
        self.opened: list[str] = []
        self.meet: threading.Barrier | None = None

    def open(self, image_hash: str) -> Image.Image:
        self.opened.append(image_hash)
        if self.meet is not None:
            self.meet.wait(LONG_S)
        return super().open(image_hash)


@pytest.fixture
def library(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_an_image_is_decoded_once_for_all_who_announced_it_and_then_forgotten(
    library: Watched,
) -> None:
    one, two = (library.add(picture(number)) for number in range(2))
    pictures = Pictures(library)
    pictures.announce([one, two])
    pictures.announce([one])
    (first, second), (third,) = pictures.get([one, two]), pictures.get([one])
    assert first is third is not second
    pictures.release([one, two])
    pictures.release([one])
    forgotten = weakref.ref(first)
    del first, second, third
    assert forgotten() is None
    pictures.announce([one])
    assert pictures.get([one])[0].size
    pictures.close()
    assert sorted(library.opened) == sorted([one, two, one])


def test_several_threads_decode_at_a_time(library: Watched) -> None:
    names = [library.add(picture(number)) for number in range(THREADS)]
    library.meet = threading.Barrier(THREADS)
    pictures = Pictures(library)
    pictures.announce(names)
    assert len(pictures.get(names)) == THREADS  # none would return if it were alone
    pictures.close()


def test_an_image_that_cannot_be_used_is_told_from_a_store_that_fails(
    library: Watched, tmp_path: Path
) -> None:
    missing, damaged = "0" * 64, library.add(picture(7))
    (tmp_path / "images" / damaged[:2] / damaged).write_bytes(b"damaged")
    pictures = Pictures(library)
    pictures.announce([missing, damaged])
    with pytest.raises(UnusableImageError, match=missing):
        pictures.get([missing])
    with pytest.raises(StoreError, match="another hash"):
        pictures.get([damaged])
    pictures.close()
