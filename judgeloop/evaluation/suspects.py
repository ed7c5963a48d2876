"""Suspect labels: items that every judge misses, or that contradict their own reference answer.

The list is for review. An item on it may be hard, or all judges may share an error; no figure
leaves it out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

import msgspec

from judgeloop.schema.errors import DataError
from judgeloop.schema.records import ItemResult

Reason = Literal["missed_by_all", "contradicts_reference"]


class Suspect(msgspec.Struct, frozen=True, kw_only=True):
    """An item, and why its label should be reviewed."""

    item: str
    """The item's key, which names its row."""
    group: str
    reasons: tuple[Reason, ...]
    judges: int
    """Judges with a clear verdict against the label."""


def find_suspects(
    judges: Mapping[str, Sequence[ItemResult]], contradicting: Collection[str] = ()
) -> list[Suspect]:
    """Finds the items that no judge gets right and at least one clearly decides the other way.

    Args:
        judges: Each judge's results by its name, in any order, on the same items; probes don't
            count.
        contradicting: Keys of items whose label contradicts the row's own reference answer.

    Returns: Suspects, sorted by key.

    Raises:
        DataError: The judges were not scored on the same items.
    """
    by_item = {
        name: {one.item_id: one for one in results if not one.identical}
        for name, results in judges.items()
    }
    first, *others = by_item
    for name in others:
        if differing := sorted(by_item[first].keys() ^ by_item[name].keys()):
            raise DataError(
                f"{first} and {name} were scored on different items, such as {differing[0]}. Give "
                "results on the same data"
            )
    found = []
    for item, one in sorted(by_item[first].items()):
        results = [each[item] for each in by_item.values()]
        against = sum(each.clear and not each.both_orders for each in results)
        reasons: list[Reason] = []
        if against and not any(each.both_orders for each in results):
            reasons.append("missed_by_all")
        if item in contradicting:
            reasons.append("contradicts_reference")
        if reasons:
            found.append(
                Suspect(item=item, group=one.category, reasons=tuple(reasons), judges=against)
            )
    return found
