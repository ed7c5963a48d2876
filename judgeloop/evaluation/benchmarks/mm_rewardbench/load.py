"""Loads Multimodal RewardBench: `all_data.json`, the release without texts, a Parquet copy, or CSV.

The CSV form has only the columns ID, Category and Better, in the release's order, which is enough
to score.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from judgeloop.evaluation.benchmarks.base import Fault, Item, Loaded, item_key
from judgeloop.evaluation.benchmarks.files import find_files, loaded, no_usable_row, typed_rows

PATTERNS = (
    "all_data.json",
    "data/all_data.json",
    "all_data_release.json",
    "data/all_data_release.json",
    "test*.parquet",
    "data/*.parquet",
    "*.parquet",
    "items_in_file_order.csv",
)
Category = Literal[
    "open_generation/correctness_task",
    "open_generation/preference_task",
    "knowledge",
    "reasoning",
    "safety",
    "vqa",
]


class ImageCell(msgspec.Struct):
    """The image column of a Parquet copy; its bytes are not read here."""

    path: str | None = None


class MMRow(msgspec.Struct, rename="pascal"):
    """The fields of a row; in the release most texts are still missing."""

    id: str = msgspec.field(name="ID")
    category: Category
    better: Literal["Output1", "Output2"]
    text: str | None = None
    output1: str | None = None
    output2: str | None = None
    image: str | ImageCell | None = None


def group(item_id: str, category: str) -> str:
    """Returns the category that the official script reports, which splits two of them by id."""
    if category == "safety":
        return "safety/bias" if item_id.lower().startswith("pairs") else "safety/toxicity"
    if category == "reasoning":
        return "reasoning/math" if item_id.lower().startswith("math") else "reasoning/coding"
    return category


def shows_chosen_first(item: Item, sample: int) -> bool:
    """Returns the official order: Output1 is always shown first."""
    return item.better == 0


def load(place: Path) -> Loaded:
    """Reads the items, in file order; rows with the same id are different items.

    Args:
        place: A file, or a folder that holds one of `PATTERNS`.

    Raises:
        DataError: There is no file, or no usable row.
    """
    files = find_files(place, PATTERNS)
    faults: list[Fault] = []
    items = [_item(number, row) for _, number, row in typed_rows(files, MMRow, faults)]
    if not items:
        raise no_usable_row(place, "Multimodal RewardBench", faults)
    return loaded(items, faults, files)


def _item(number: int, row: MMRow) -> Item:
    image = row.image.path if isinstance(row.image, ImageCell) else row.image
    responses = (row.output1 or "", row.output2 or "")
    return Item(
        key=item_key(number, row.id, row.category, row.text or "", responses),
        row=number,
        id=row.id,
        group=group(row.id, row.category),
        question=row.text or "",
        responses=responses,
        better=0 if row.better == "Output1" else 1,
        image=image or "",
    )
