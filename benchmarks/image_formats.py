"""Which format suits small images best? Counts requests and bytes; nothing is timed.

```
python -m benchmarks.image_formats --images 1000 10000 100000 --s3
```

Compared are one object per image, WebDataset's tar files, and Parquet files, the last two in packs
of 1000 images or 4 MB. Tar files have no way to find an image by its hash, so they get the index of
the Parquet packs here. Each format is written once and read by three readers, each of which starts
with an empty cache:

* `all`: a stage that reads every image in the order of the rows;
* `quarter`: one of four partitions, which are drawn by hash, in the order of the rows;
* `hundred`: a gallery of 100 images from anywhere.

Images are BMP files of 1.5 kB of noise. A folder's requests are files that are opened or listed.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from benchmarks.loopback import moto_server
from judgeloop.cli.table import table
from judgeloop.runtime.redaction import hide_secrets
from judgeloop.schema.keys import fraction
from judgeloop.store import Store, open_store
from judgeloop.store.checksums import sha256_bytes
from judgeloop.store.images import ImageLibrary
from judgeloop.store.images.index import StoreIndex, index_key
from judgeloop.store.images.packer import PACK_BYTES, PACK_IMAGES
from judgeloop.store.images.packs import Position, write_index

SIDE = 22
"""Pixels of an image's edge: 1,506 bytes as BMP."""
MAX_PIXELS = 10_000
PREFETCH = 200
"""Number of images fetched in parallel, as by a stage for a shard."""
Read = Callable[[Store, Sequence[str]], None]


class CountedStore:
    """Counts the requests and bytes of a store.

    Args:
        store: The store.
        s3: Count its client's HTTP requests; else the calls.
    """

    def __init__(self, store: Any, s3: bool) -> None:
        self._store = store
        self.uri = store.uri
        self.requests = self.bytes = 0
        self._s3 = s3
        if s3:
            store._client.meta.events.register("before-send.s3", self._sent)

    def read(self, key: str) -> bytes:
        """Reads an object."""
        data: bytes = self._store.read(key)
        return self._counted(data)

    def create(self, key: str, data: bytes) -> bool:
        """Writes an object."""
        made: bool = self._store.create(key, self._counted(data))
        return made

    def upload(self, path: Path, key: str) -> None:
        """Writes a file."""
        self._counted(path.read_bytes())
        self._store.upload(path, key)

    def list(self, prefix: str) -> list[str]:
        """Lists keys."""
        self._counted(b"")
        return list(self._store.list(prefix))

    def taken(self) -> tuple[int, int]:
        """Returns requests and bytes since the last time."""
        found = self.requests, self.bytes
        self.requests = self.bytes = 0
        return found

    def _sent(self, **_: Any) -> None:
        self.requests += 1

    def _counted(self, data: bytes) -> bytes:
        self.bytes += len(data)
        self.requests += not self._s3
        return data


def write_objects(store: Store, images: Iterator[bytes]) -> list[str]:
    """Writes one object per image."""
    library = ImageLibrary(store, MAX_PIXELS)
    return [library.add(data) for data in images]


def write_parquet(store: Store, images: Iterator[bytes]) -> list[str]:
    """Writes packs as `ingest` does."""
    with ImageLibrary(store, MAX_PIXELS).adding() as add:
        return [add(data) for data in images]


def read_library(store: Store, hashes: Sequence[str]) -> None:
    """Reads images as a stage does."""
    library = ImageLibrary(store, MAX_PIXELS)
    for start in range(0, len(hashes), PREFETCH):
        library.prefetch(hashes[start : start + PREFETCH])


def write_tar(store: Store, images: Iterator[bytes]) -> list[str]:
    """Writes WebDataset's shards: tar files with one member per image, and an index."""
    positions: dict[str, Position] = {}
    hashes: list[str] = []
    members: list[tuple[str, bytes]] = []

    def close() -> None:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for name, data in members:
                info = tarfile.TarInfo(f"{name}.bmp")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        pack = sha256_bytes(buffer.getvalue())
        store.create(f"images/packs/{pack}.tar", buffer.getvalue())
        positions.update({name: Position(pack, row) for row, (name, _) in enumerate(members)})
        members.clear()

    for data in images:
        if len(members) == PACK_IMAGES or (len(members) + 1) * len(data) > PACK_BYTES:
            close()
        members.append((sha256_bytes(data), data))
        hashes.append(members[-1][0])
    close()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        write_index(path, sorted(positions.items()))
        store.upload(path, index_key(sha256_bytes(path.read_bytes())))
    return hashes


def read_tar(store: Store, hashes: Sequence[str]) -> None:
    """Reads every shard that holds one of the images, and keeps the last eight."""
    index = StoreIndex(store)
    kept: dict[str, bytes] = {}
    for name in hashes:
        (position,) = index.find(name)
        data = kept.pop(position.pack, None)
        kept[position.pack] = data or store.read(f"images/packs/{position.pack}.tar")
        if len(kept) > 8:
            del kept[next(iter(kept))]


FORMATS: dict[str, tuple[Callable[[Store, Iterator[bytes]], list[str]], Read]] = {
    "objects": (write_objects, read_library),
    "tar": (write_tar, read_tar),
    "Parquet": (write_parquet, read_library),
}


class Figures(NamedTuple):
    """The costs of one format."""

    objects: int
    stored: int
    """Stored bytes; on a disk, those of the allocated blocks."""
    costs: list[tuple[int, int]]
    """Requests and bytes: to write, then of each reader."""


def measure(name: str, count: int, uri: str) -> Figures:
    """Writes and reads images in one format."""
    write, read = FORMATS[name]
    s3 = uri.startswith("s3://")
    store = CountedStore(open_store(uri), s3)
    hashes = write(store, noise(count))  # type: ignore[arg-type]
    costs = [store.taken()]
    quarter = [name for name in hashes if fraction("partition", name) < 0.25]
    hundred = random.Random(0).sample(hashes, 100)
    for wanted in (hashes, quarter, hundred):
        read(store, wanted)  # type: ignore[arg-type]
        costs.append(store.taken())
    sizes = open_store(uri).sizes("")
    stored = sum(sizes.values())
    if not s3:
        stored = sum((Path(uri) / key).stat().st_blocks * 512 for key in sizes)
    return Figures(len(sizes), stored, costs)


def noise(count: int) -> Iterator[bytes]:
    """Yields different images, the same ones every time."""
    rng = random.Random(0)
    for _ in range(count):
        buffer = io.BytesIO()
        Image.frombytes("RGB", (SIDE, SIDE), rng.randbytes(3 * SIDE * SIDE)).save(buffer, "BMP")
        yield buffer.getvalue()


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a table for each number of images and kind of store."""
    hide_secrets("%(message)s", "WARNING")
    parser = argparse.ArgumentParser(description="Requests and bytes of formats of small images.")
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--s3", action="store_true", help="measure on an S3 server, too")
    options = parser.parse_args(arguments)
    for count in options.images:
        with tempfile.TemporaryDirectory() as folder:
            show("folder", count, {n: measure(n, count, f"{folder}/{n}") for n in options.formats})
    for count in options.images if options.s3 else ():
        with moto_server(Path(os.devnull)):
            import boto3

            boto3.client("s3").create_bucket(Bucket="images")
            found = {n: measure(n, count, f"s3://images/{n}") for n in options.formats}
            show("S3", count, found)


def show(store: str, count: int, found: dict[str, Figures]) -> None:
    """Prints one table of requests and megabytes."""
    rows = [
        (
            name, f"{made.objects:,}", f"{made.stored / 1e6:.1f}",
            *(f"{requests:,} / {size / 1e6:.1f}" for requests, size in made.costs),
        )
        for name, made in found.items()
    ]  # fmt: skip
    header = ("", "objects", "MB stored", "write", "read all", "read quarter", "read hundred")
    print(f"\n{store}, {count:,} images: requests / MB")
    print("\n".join(table(header, rows)), flush=True)


if __name__ == "__main__":
    main()
