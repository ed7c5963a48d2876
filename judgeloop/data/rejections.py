"""What was dropped from a data set, by reason, and the error where nothing is left."""

from __future__ import annotations

from collections import Counter

from judgeloop.schema.errors import DataError
from judgeloop.schema.records import Dropped


class Rejections:
    """Counts dropped rows and keeps the first of each reason."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        """By `dropped/<reason>`."""
        self._first: dict[str, str] = {}

    def add(self, row: Dropped) -> None:
        """Counts one row."""
        self.counts[f"dropped/{row.reason}"] += 1
        self._first.setdefault(row.reason, row.detail)

    def no_usable_row(self, name: str) -> DataError:
        """Returns the error for a data set of which nothing is left.

        Args:
            name: Where the data set lies.
        """
        if not self._first:
            return DataError(f"{name}: the file is empty; give one JSON object a line")
        counts = {reason: self.counts[f"dropped/{reason}"] for reason in sorted(self._first)}
        said = ", ".join(f"{count} {reason}" for reason, count in counts.items())
        return DataError(f"{name}: no usable row: {said}. {self.most_frequent()}")

    def most_frequent(self) -> str:
        """Returns the first detail of the most frequent reason, empty where nothing was dropped."""
        if not self._first:
            return ""
        most = max(sorted(self._first), key=lambda reason: self.counts[f"dropped/{reason}"])
        return f"The first {most}: {self._first[most]}"
