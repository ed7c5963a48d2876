"""What the chosen benchmarks show a judge, for the guard against training on it: no label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from judgeloop.data.contamination import BenchmarkItem
from judgeloop.evaluation.benchmarks import BENCHMARKS
from judgeloop.evaluation.benchmarks.base import Loaded
from judgeloop.evaluation.benchmarks.images import item_images
from judgeloop.evaluation.benchmarks.own_pairs import OwnPairs, own_pairs
from judgeloop.evaluation.benchmarks.place import data_folder

OWN_SETS = ".jsonl"
"""How the name of a set of one's own ends, which is its file."""


class SeenItems:
    """The items of some benchmarks.

    Args:
        loaded: What was loaded, by named benchmark; its files are read again for the images.
        own: Open files of gold pairs, by their names.
    """

    def __init__(self, loaded: Mapping[str, Loaded], own: Mapping[str, OwnPairs]) -> None:
        self._loaded = loaded
        self._own = own

    def files(self) -> dict[str, dict[str, str]]:
        """Returns sha256 by file and benchmark: what the items are."""
        named = {name: loaded.files for name, loaded in self._loaded.items()}
        return named | {name: pairs.files() for name, pairs in self._own.items()}

    def __bool__(self) -> bool:
        """Returns whether any benchmark is chosen."""
        return bool(self._loaded or self._own)

    def __iter__(self) -> Iterator[BenchmarkItem]:
        """Yields prompts and images, without responses."""
        for name, loaded in self._loaded.items():
            for item, data in item_images([Path(path) for path in loaded.paths], loaded.items):
                images = () if data is None else (data,)
                yield BenchmarkItem(
                    name=f"{name}: item {item.id}", prompt=item.question, images=images
                )
        for name, pairs in self._own.items():
            yield from pairs.items(name.rpartition("/")[2])


@contextmanager
def seen_items(places: Mapping[str, str]) -> Iterator[SeenItems]:
    """Opens the chosen benchmarks for a block of work.

    Args:
        places: Where each named benchmark's data lies; a set of one's own lies where its name says.

    Raises:
        ConfigError, DataError: A benchmark's data cannot be used.
        StoreError: S3 cannot be used.
    """
    with ExitStack() as stack:
        loaded = {
            name: BENCHMARKS[name].load(stack.enter_context(data_folder(place)))
            for name, place in sorted(places.items())
            if name in BENCHMARKS
        }
        own = {
            name: stack.enter_context(own_pairs(name))
            for name in sorted(places)
            if name.endswith(OWN_SETS)
        }
        yield SeenItems(loaded, own)
