"""The counts of a manifest, by name in the file and by field in the code.

A manifest holds a flat object, such as `{"dropped/tie": 3, "inputs": 24, "rows": 21}`, which people
read, and which older versions also wrote. Only this module knows how the names are built.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import msgspec

PAIR = "pair"
"""Outcome of a question that gave a pair."""
_INPUTS, _ROWS, _PART = "inputs", "rows", "rows/"
_DROPPED, _TOKENS, _OUTCOME = "dropped/", "tokens/", "yield/"


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What a stage counted."""

    inputs: int = 0
    """Rows that it read."""
    rows: int = 0
    """Rows that it wrote."""
    parts: dict[str, int] = {}
    """Of these, how many are in each part: a split, or a kind of error or `vote`."""
    dropped: dict[str, int] = {}
    """Rows that it did not use, by reason."""
    tokens: dict[str, int] = {}
    """By kind: `prompt`, `completion`."""
    outcomes: dict[str, dict[str, int]] = {}
    """Questions by what was tried for them, then by the outcome: `pair` or a reason."""

    def named(self) -> dict[str, int]:
        """Returns the counts above zero by their names in a manifest, sorted."""
        return {name: count for name, count in sorted(self._named()) if count}

    def _named(self) -> Iterator[tuple[str, int]]:
        yield from ((_INPUTS, self.inputs), (_ROWS, self.rows))
        for prefix, found in ((_PART, self.parts), (_DROPPED, self.dropped),
                              (_TOKENS, self.tokens)):  # fmt: skip
            yield from ((f"{prefix}{name}", count) for name, count in found.items())
        for tried, outcomes in self.outcomes.items():
            yield from ((f"{_OUTCOME}{tried}/{name}", n) for name, n in outcomes.items())


def read_counts(named: Mapping[str, int]) -> Counts:
    """Reads the counts of a manifest; an unknown name is left out."""
    outcomes: dict[str, Counter[str]] = {}
    for name, count in _below(_OUTCOME, named).items():
        tried, _, outcome = name.rpartition("/")
        outcomes.setdefault(tried, Counter())[outcome] += count
    return Counts(
        inputs=named.get(_INPUTS, 0),
        rows=named.get(_ROWS, 0),
        parts=_below(_PART, named),
        dropped=_below(_DROPPED, named),
        tokens=_below(_TOKENS, named),
        outcomes={tried: dict(found) for tried, found in outcomes.items()},
    )


def _below(prefix: str, named: Mapping[str, int]) -> dict[str, int]:
    return {name.removeprefix(prefix): named[name] for name in sorted(named)
            if name.startswith(prefix)}  # fmt: skip
