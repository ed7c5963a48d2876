"""Loads MM-RLHF-RewardBench: `mm_reward_bench.jsonl`, pairs about images and videos."""

from __future__ import annotations

from pathlib import Path

import msgspec

from judgeloop.evaluation.benchmarks.base import Fault, Item, Loaded, item_key
from judgeloop.evaluation.benchmarks.files import find_files, loaded, no_usable_row, typed_rows

PATTERNS = ("mm_reward_bench.jsonl", "data/mm_reward_bench.jsonl", "test*.parquet", "*.parquet")
GROUPS = ("mcq", "long", "short", "safety", "video")
UNGROUPED = "ungrouped"
"""Officially such a pair counts overall and in no group."""


class RLHFRow(msgspec.Struct):
    """The columns that are used."""

    id: str
    prompt: str
    chosen: str
    rejected: str
    image: str | None = None
    video: str | None = None


def group(path: str) -> str:
    """Returns the first group whose word occurs in the path of the image or video."""
    return next((name for name in GROUPS if name in path), UNGROUPED)


def load(place: Path) -> Loaded:
    """Reads the items, in file order; an id is a question with several pairs.

    Args:
        place: A file, or a folder that holds one of `PATTERNS`.

    Raises:
        DataError: There is no file, or no usable row.
    """
    files = find_files(place, PATTERNS)
    faults: list[Fault] = []
    items: list[Item] = []
    for where, number, row in typed_rows(files, RLHFRow, faults):
        items.append(_item(number, row))
        if items[-1].group == UNGROUPED:
            detail = f"the path {items[-1].image!r} names no group; it counts in the whole only"
            faults.append(Fault(where=where, reason="unknown_group", detail=detail))
    if not items:
        raise no_usable_row(place, "MM-RLHF-RewardBench", faults)
    return loaded(items, faults, files)


def _item(number: int, row: RLHFRow) -> Item:
    path = row.image or row.video or ""
    return Item(
        key=item_key(number, row.id, row.prompt, row.chosen, row.rejected),
        row=number,
        id=row.id,
        group=group(path),
        question=row.prompt,
        responses=(row.chosen, row.rejected),
        better=0,
        image=path,
    )
