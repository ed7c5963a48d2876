"""What the named benchmarks show a judge, for the guard against training on it: no label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from judgeloop.data.contamination import Seen
from judgeloop.evaluation.benchmarks import BENCHMARKS
from judgeloop.evaluation.benchmarks.base import Loaded
from judgeloop.evaluation.benchmarks.images import item_images


class SeenItems:
    """The items of the benchmarks that a configuration names.

    Args:
        places: Folder or file of each named benchmark; other names are passed over.

    Raises:
        DataError: A benchmark's data cannot be used.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._loaded: dict[str, Loaded] = {
            name: BENCHMARKS[name].load(Path(place))
            for name, place in sorted(places.items())
            if name in BENCHMARKS
        }

    def files(self) -> dict[str, dict[str, str]]:
        """Returns sha256 by file and benchmark: what the items are."""
        return {name: loaded.files for name, loaded in self._loaded.items()}

    def __iter__(self) -> Iterator[Seen]:
        """Yields prompts and images, without responses."""
        for name, loaded in self._loaded.items():
            for item, data in item_images([Path(path) for path in loaded.paths], loaded.items):
                images = () if data is None else (data,)
                yield Seen(name=f"{name}: item {item.id}", prompt=item.question, images=images)
