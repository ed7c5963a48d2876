"""Loads VL-RewardBench: the hub's Parquet files, or the first release's `data.jsonl`."""

from __future__ import annotations

from pathlib import Path

import msgspec

from judgeloop.evaluation.benchmarks.base import Fault, Item, Loaded, item_key
from judgeloop.evaluation.benchmarks.files import find_files, loaded, no_usable_row, typed_rows
from judgeloop.evaluation.benchmarks.vl_rewardbench.groups import is_known, official, prefix

PATTERNS = (
    "test*.parquet",
    "data/test*.parquet",
    "data.jsonl",
    "data/data.jsonl",
    "*/test*.parquet",
    "*.parquet",
)


class ImageCell(msgspec.Struct):
    """The hub's image column; its bytes are not read here."""

    path: str | None = None


class VLRow(msgspec.Struct):
    """The columns that are used; a row has more."""

    id: str
    query: str
    response: tuple[str, str]
    human_ranking: tuple[int, int]
    image: ImageCell | None = None
    image_path: str | None = None
    ground_truth: str | None = None
    models: object = None

    def __post_init__(self) -> None:
        """Refuses a ranking without a better response."""
        if set(self.human_ranking) != {0, 1}:
            raise ValueError(f"human_ranking is {list(self.human_ranking)}, not 0 and 1")


def identity(item_id: str, query: str, responses: tuple[str, str]) -> str:
    """Returns the key by which the official script matches samples of one item."""
    return item_id + query + "\t".join(sorted(responses))


def load(place: Path) -> Loaded:
    """Reads the items.

    Args:
        place: A file, or a folder that holds one of `PATTERNS`.

    Returns:
        The items in file order. Faults list unusable rows, exact duplicates of rows, and ids whose
        prefix no release had (officially they are general).

    Raises:
        DataError: There is no file, or no usable row.
    """
    files = find_files(place, PATTERNS)
    faults: list[Fault] = []
    items: dict[str, Item] = {}
    for where, number, row in typed_rows(files, VLRow, faults):
        item = _item(number, row)
        same = items.setdefault(identity(row.id, row.query, row.response), item)
        if same is not item:
            faults.append(_repeated(where, same, item))
        elif not is_known(row.id):
            detail = f"no release has the prefix {prefix(row.id)!r}; it counts as general"
            faults.append(Fault(where=where, reason="unknown_prefix", detail=detail))
    if not items:
        raise no_usable_row(place, "VL-RewardBench", faults)
    return loaded(items.values(), faults, files)


def _item(number: int, row: VLRow) -> Item:
    path = row.image_path or (row.image.path if row.image else None)
    return Item(
        key=item_key(number, row.id, row.query, row.response),
        row=number,
        id=row.id,
        group=official(row.id),
        question=row.query,
        responses=row.response,
        better=row.human_ranking.index(0),
        image=path or "",
        reference=row.ground_truth or "",
        models=_models(row.models),
    )


def _models(cell: object) -> tuple[str, str] | None:
    """Returns the two names; a cell of another form does not exclude its row."""
    if not isinstance(cell, list) or [type(name) for name in cell] != [str, str]:
        return None
    return cell[0], cell[1]


def _repeated(where: str, first: Item, again: Item) -> Fault:
    agrees = first.chosen == again.chosen
    return Fault(
        where=where,
        reason="repeated_row" if agrees else "contradicting_row",
        detail=f"row {first.row} has the same id, query and responses"
        + ("" if agrees else ", and prefers the other one; row {first.row} is used"),
    )
