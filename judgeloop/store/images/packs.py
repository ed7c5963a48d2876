"""Packs of small images and their indexes: Parquet files, which pyarrow, pandas and datasets read.

A **pack** has the columns `sha256`, the hash of the image's bytes in hexadecimal, and `image`, a
struct of `bytes`, the encoded image, and `path`, null, as `datasets` stores its feature `Image`. An
**index** has the columns `sha256`, sorted, `pack`, the hash of the pack's file, and `row`, the
image's row in that pack.

Images are compressed already, so packs are not. A file's bytes depend on the images, their order
and the version of pyarrow: another version may store the same images a second time.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from judgeloop.schema.errors import StoreError
from judgeloop.store.local_files import disk_errors_named
from judgeloop.store.scratch import scratch_folder

if TYPE_CHECKING:
    import pyarrow

ROW_GROUP = 10_000
"""Rows of an index that are in memory at once."""
_FEATURES = {"sha256": {"dtype": "string", "_type": "Value"}, "image": {"_type": "Image"}}
"""Tells `datasets` to decode the images."""


class Position(NamedTuple):
    """Position of a packed image."""

    pack: str
    """Hash of the pack's file."""
    row: int


def pack_bytes(hashes: Sequence[str], images: Sequence[bytes]) -> bytes:
    """Returns a pack of images, in their order."""
    import pyarrow as pa
    from pyarrow import parquet

    column = pa.StructArray.from_arrays(
        [_column(images, pa.binary()), pa.nulls(len(images), pa.string())], ["bytes", "path"]
    )
    features = {"huggingface": json.dumps({"info": {"features": _FEATURES}})}
    names = _column([name.encode() for name in hashes], pa.string())
    table = pa.table({"sha256": names, "image": column})
    sink = pa.BufferOutputStream()
    parquet.write_table(
        table.replace_schema_metadata(features), sink,
        compression="none", use_dictionary=False, write_statistics=False,
    )  # fmt: skip
    return bytes(sink.getvalue())


def read_pack(data: bytes, where: str) -> pyarrow.Array:
    """Returns a pack's images, as an array of binary.

    Args:
        data: A pack.
        where: Its location, for messages.

    Raises:
        StoreError: It is not a pack.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.ParquetFile(pa.BufferReader(data)).read(columns=["image"])
        return table["image"].combine_chunks().field("bytes")
    except (pa.ArrowException, OSError, LookupError) as error:
        raise StoreError(f"{where} is not a pack of images ({error})") from error


def write_index(path: Path, entries: Iterable[tuple[str, Position]]) -> None:
    """Writes an index.

    Args:
        path: File to write.
        entries: Hashes of images, sorted, with the position of each.
    """
    import pyarrow as pa
    from pyarrow import parquet

    schema = _index_schema()
    with parquet.ParquetWriter(path, schema, compression="zstd", write_statistics=False) as writer:
        entries = iter(entries)
        while block := list(islice(entries, ROW_GROUP)):
            rows = pa.py_buffer(array("I", [position.row for _, position in block]))
            columns = [
                _column([name.encode() for name, _ in block], pa.string()),
                _column([position.pack.encode() for _, position in block], pa.string()),
                pa.Array.from_buffers(pa.uint32(), len(block), [None, rows]),
            ]
            writer.write_batch(pa.record_batch(columns, schema=schema))


class Index:
    """Looks up images in an index, which is a temporary file; threads may share it.

    Args:
        data: Bytes that `write_index` wrote.
        where: The index's location, for messages.

    Raises:
        StoreError: The bytes are not an index, or there is no disk space for the file.
    """

    def __init__(self, data: bytes, where: str) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        schema = _index_schema()
        with scratch_folder("index") as folder:
            path = f"{folder}/index.arrow"
            try:
                file = parquet.ParquetFile(pa.BufferReader(data))
                if file.schema_arrow != schema:
                    raise LookupError(f"its columns are {', '.join(file.schema_arrow.names)}")
                with disk_errors_named(f"write {path}"), pa.ipc.new_file(path, schema) as copy:
                    for batch in file.iter_batches(ROW_GROUP):
                        copy.write_batch(batch)
            except (pa.ArrowException, LookupError) as error:
                raise StoreError(
                    f"{where} is not an image index that this version of judgeloop reads "
                    f"({error}); use another store or the judgeloop version that made it"
                ) from error
            # Pages of a mapped file are read when they are needed, and the system can reclaim them.
            # The file exists until it is unmapped, although its name is removed.
            self._table = pa.ipc.open_file(pa.memory_map(path)).read_all()

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Yields each image's hash and the hash of its pack."""
        for batch in self._table.select(["sha256", "pack"]).to_batches():
            yield from zip(batch["sha256"].to_pylist(), batch["pack"].to_pylist(), strict=True)

    def find(self, image_hash: str) -> Position | None:
        """Returns the position of an image, or None if it is not in the index."""
        hashes = self._table["sha256"]
        low, high = 0, len(hashes)
        while low < high:
            middle = (low + high) // 2
            if hashes[middle].as_py() < image_hash:
                low = middle + 1
            else:
                high = middle
        if low == len(hashes) or hashes[low].as_py() != image_hash:
            return None
        return Position(self._table["pack"][low].as_py(), self._table["row"][low].as_py())


def _column(values: Sequence[bytes], kind: pyarrow.DataType) -> pyarrow.Array:
    """Returns a column of texts or bytes; `pa.array` would import pandas to inspect its input."""
    import pyarrow as pa

    ends = pa.py_buffer(array("i", accumulate(map(len, values), initial=0)))
    return pa.Array.from_buffers(kind, len(values), [None, ends, pa.py_buffer(b"".join(values))])


def _index_schema() -> pyarrow.Schema:
    import pyarrow as pa

    return pa.schema([("sha256", pa.string()), ("pack", pa.string()), ("row", pa.uint32())])
