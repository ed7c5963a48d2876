"""Counts of rows dropped from a data set, by reason, and the error if no row is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from judgeloop.schema.errors import DataError
from judgeloop.schema.records import Dropped, Manifest
from judgeloop.store import Store
from judgeloop.store.shards import read_dropped

QUOTED = 1000
"""Characters of a detail that a message shows."""


class Rejections:
    """Counts dropped rows and keeps the first of each reason."""

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()
        """Rows, by reason."""
        self._first: dict[str, str] = {}

    def add(self, row: Dropped) -> None:
        """Counts one row."""
        self.dropped[row.reason] += 1
        self._first.setdefault(row.reason, row.detail or f"row {row.id!r}")

    def no_usable_row(self, name: str) -> DataError:
        """Returns the error for a data set of which nothing is left.

        Args:
            name: Location of the data set.
        """
        if not self._first:
            return DataError(f"{name}: the file is empty; give one JSON object a line")
        said = ", ".join(f"{count} {reason}" for reason, count in sorted(self.dropped.items()))
        return DataError(f"{name}: no usable row: {said}. {self.most_frequent()}")

    def most_frequent(self) -> str:
        """Returns the first detail of the most frequent reason, empty if nothing was dropped."""
        if not self._first:
            return ""
        most = max(sorted(self._first), key=self.dropped.__getitem__)
        return f"The first {most}: {_shortened(self._first[most])}"


def quote_dropped(store: Store, manifests: Sequence[Manifest]) -> str:
    """Returns the first detail of the most frequent reason for which stages dropped rows.

    The shards are read as far as that row. Empty where nothing was dropped.
    """
    counts: Counter[str] = Counter()
    for manifest in manifests:
        counts.update(manifest.dropped)
    if not counts:
        return ""
    most = max(sorted(counts), key=counts.__getitem__)
    rejections = Rejections()
    for manifest in manifests:
        for row in read_dropped(store, manifest) if most in manifest.dropped else ():
            if row.reason == most:
                rejections.add(row)
                return rejections.most_frequent()
    return ""


def _shortened(detail: str) -> str:
    return detail if len(detail) <= QUOTED else f"{detail[: QUOTED - 4]} ..."
