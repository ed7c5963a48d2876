"""The items' images: cells of a Parquet file, or files beside the rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from judgeloop.evaluation.benchmarks.base import Item

COLUMNS = ("image", "Image")
_BATCH_ROWS = 50
Found = tuple[Item, bytes | None]


def item_images(files: Sequence[Path], items: Sequence[Item]) -> Iterator[Found]:
    """Yields each item with the bytes of its image; None if there is none.

    Args:
        files: The files that the items were loaded from.
        items: In file order.
    """
    if files[0].suffix == ".parquet":
        yield from _cells(files, items)
        return
    root = files[0].parent.resolve()
    for item in items:
        path = (root / item.image).resolve()
        inside = bool(item.image) and path.is_relative_to(root) and path.is_file()
        yield item, path.read_bytes() if inside else None


def _cells(files: Sequence[Path], items: Sequence[Item]) -> Iterator[Found]:
    from pyarrow import parquet

    wanted = iter(items)
    item = next(wanted, None)
    row = 0
    for file in files:
        with parquet.ParquetFile(file) as table:
            name = next((name for name in COLUMNS if name in table.schema_arrow.names), None)
            for batch in table.iter_batches(_BATCH_ROWS, columns=[name] if name else None):
                for cell in batch.column(0).to_pylist():
                    if item is not None and item.row == row:
                        yield item, cell.get("bytes") if isinstance(cell, dict) else None
                        item = next(wanted, None)
                    row += 1
