"""Prompts and images of benchmarks, without labels, for the guard against training on them."""

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
"""Suffixes of the name of a user's own set, which is its file."""


class SeenItems:
    """The items of some benchmarks.

    Args:
        loaded: Loaded items, by benchmark name; their files are read again for the images.
        own: Open files of gold pairs, by their names.
    """

    def __init__(self, loaded: Mapping[str, Loaded], own: Mapping[str, OwnPairs]) -> None:
        self._loaded = loaded
        self._own = own

    def files(self) -> dict[str, dict[str, str]]:
        """Returns the sha256 of each file of each benchmark, which identifies the items."""
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
        places: Location of each benchmark's data, by name; for a user's own set the name is the
            location.

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
