"""What the named benchmarks show a judge, for the guard against training on it: no label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from judgeloop.data.contamination import Seen
from judgeloop.evaluation.benchmarks import BENCHMARKS
from judgeloop.evaluation.benchmarks.base import Loaded
from judgeloop.evaluation.benchmarks.images import item_images
from judgeloop.evaluation.benchmarks.place import data_folder


class SeenItems:
    """The items of some benchmarks.

    Args:
        loaded: What was loaded, by benchmark; its files are read again for the images.
    """

    def __init__(self, loaded: Mapping[str, Loaded]) -> None:
        self._loaded = loaded

    def files(self) -> dict[str, dict[str, str]]:
        """Returns sha256 by file and benchmark: what the items are."""
        return {name: loaded.files for name, loaded in self._loaded.items()}

    def __iter__(self) -> Iterator[Seen]:
        """Yields prompts and images, without responses."""
        for name, loaded in self._loaded.items():
            for item, data in item_images([Path(path) for path in loaded.paths], loaded.items):
                images = () if data is None else (data,)
                yield Seen(name=f"{name}: item {item.id}", prompt=item.question, images=images)


@contextmanager
def seen_items(places: Mapping[str, str]) -> Iterator[SeenItems]:
    """Opens the named benchmarks for a block of work.

    Args:
        places: Where each benchmark's data lies; names of other sets are passed over.

    Raises:
        DataError: A benchmark's data cannot be used.
        StoreError: S3 cannot be used.
    """
    with ExitStack() as stack:
        yield SeenItems(
            {
                name: BENCHMARKS[name].load(stack.enter_context(data_folder(place)))
                for name, place in sorted(places.items())
                if name in BENCHMARKS
            }
        )
