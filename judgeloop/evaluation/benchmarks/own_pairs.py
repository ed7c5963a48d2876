"""A user's file of gold pairs, without answers, for the guard against training on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from judgeloop.data.contamination import BenchmarkItem
from judgeloop.data.file_format import Rows
from judgeloop.data.images import SourceImages
from judgeloop.data.rows import GoldRow, good_rows, image_names
from judgeloop.data.source import Source, open_source
from judgeloop.schema.errors import ConfigError
from judgeloop.store.checksums import sha256_file


class OwnPairs:
    """The prompts and images of an open file of gold pairs.

    Args:
        source: The file, with the images beside it; unreadable rows are skipped.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._images = SourceImages(source.folder, image_names(source, GoldRow, None))

    def files(self) -> dict[str, str]:
        """Returns the hashes of the file and of all its images."""
        return {"file": sha256_file(self._source.file), "images": self._images.scan()}

    def items(self, name: str) -> Iterator[BenchmarkItem]:
        """Yields each pair's prompt and images; `name` is the set's name in messages."""
        for row in good_rows(self._source, GoldRow):
            read = (self._images.read(image) for image in row.images)
            shown = tuple(data for data in read if data is not None)
            yield BenchmarkItem(name=f"{name}: item {row.id}", prompt=row.question, images=shown)


@contextmanager
def own_pairs(place: str) -> Iterator[OwnPairs]:
    """Opens a file of gold pairs for a block of work.

    Args:
        place: Path or s3:// URI of the JSONL file.

    Raises:
        ConfigError, DataError: The file cannot be opened.
    """

    def no_world(_: Path) -> Path:
        raise ConfigError(f"{place} is no file of gold pairs")

    with open_source(place, no_world, Rows.PAIRS) as source:
        yield OwnPairs(source)
