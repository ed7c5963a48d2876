"""Shards, in which a stage writes its records so that it can be killed at any moment.

A stage's work is stored below `<stage>/<key>/`. Shard i is one object, `00000.jsonl`: a line for
each record; after an empty line, a line for each row that was not used, with the reason; after
another one, the shard's cost, if that is counted. So all of it comes from the same attempt, and the
object's existence means that the shard is done. The manifest is written last: its existence means
that the stage is done.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from judgeloop.schema.counts import Counts, read_counts
from judgeloop.schema.errors import StoreError
from judgeloop.schema.records import (
    SCHEMA_VERSION,
    Dropped,
    Manifest,
    Record,
    Shard,
    from_json,
    to_json,
)
from judgeloop.store import MissingObjectError, Store
from judgeloop.store.base import Reader
from judgeloop.store.checksums import sha256_bytes

I = TypeVar("I")  # noqa: E741
R = TypeVar("R")
logger = logging.getLogger(__name__)
NAME_DIGITS = 16
"""Hexadecimal digits of a hash in a shard's name."""


class Seen(NamedTuple):
    """A callback that gets each shard's rows once, as they are stored or read back."""

    kind: type[Any]
    """Class of the records."""
    add: Callable[[list[Any], list[Dropped]], None]
    """Called with a shard's records and dropped rows."""


class Work(msgspec.Struct, frozen=True):
    """A stage's results for one batch of inputs."""

    records: Sequence[Record]
    dropped: Sequence[Dropped] = ()
    cost: Mapping[str, int] = {}
    """Counts that the manifest adds up, such as `tokens/prompt`."""


def manifest_key(stage: str, key: str) -> str:
    """Returns the key of a stage's manifest."""
    return f"{stage}/{key}/manifest.json"


def stored_keys(store: Store, stage: str, key: str) -> frozenset[str]:
    """Returns the keys that are stored for a stage's work.

    Raises:
        StoreError: The store cannot be listed.
    """
    return frozenset(store.list(f"{stage}/{key}"))


def finished(store: Store, stage: str, key: str) -> Manifest | None:
    """Returns the manifest of a stage that is done, else None.

    Raises:
        DataError, StoreError: The manifest cannot be read or has another schema.
    """
    name = manifest_key(stage, key)
    try:
        return read_manifest(store.read(name), name)
    except MissingObjectError:
        return None


def read_manifest(data: bytes, where: str) -> Manifest:
    """Decodes a manifest and checks its schema version.

    Raises:
        DataError: Not a manifest.
        StoreError: It has another schema version.
    """
    manifest = from_json(data, Manifest, where)
    if manifest.schema_version != SCHEMA_VERSION:
        raise StoreError(
            f"{where}: schema version {manifest.schema_version}, this version of judgeloop reads "
            f"{SCHEMA_VERSION}; use another store or the judgeloop version that made it"
        )
    return manifest


def write_shards(
    store: Store,
    manifest: Manifest,
    batches: Iterable[Sequence[I]],
    work: Callable[[Sequence[I]], Work],
    stored: frozenset[str] | None = None,
) -> Manifest:
    """Processes batches, one shard each; stored shards are not recomputed.

    Args:
        store: Where to write.
        manifest: The part known before the work: stage, key, inputs, model, details.
        batches: Inputs of shard 0, 1, ...; the same at every start.
        work: Computes a shard's records. It must depend on its batch alone.
        stored: As for `StageShards`.

    Returns:
        The manifest with shards and counts (`rows`, `inputs`, `dropped/<reason>`, and the batches'
        cost), not yet stored.

    Raises:
        StoreError: A shard cannot be written or read.
    """
    shards = StageShards(store, manifest, stored)
    for index, batch in enumerate(batches):
        if shards.is_stored(index):
            shards.add_stored(index, len(batch))
        else:
            shards.begin(index, len(batch))
            shards.store(index, len(batch), work(batch))
    return shards.manifest()


class StageShards:
    """The shards of one stage's work; each is added once, in their order.

    Which of them are stored is looked up once, for all of them. One that another worker stores
    later is computed again, and then the stored one counts.

    Args:
        store: Store of the shards.
        manifest: The part known before the work: stage, key, inputs, model, details.
        stored: Keys that are stored already; None to look them up.
        seen: Gets each shard's rows when it is added.
    """

    def __init__(
        self,
        store: Store,
        manifest: Manifest,
        stored: frozenset[str] | None = None,
        seen: Seen | None = None,
    ) -> None:
        self._store = store
        self._manifest = manifest
        self._stored = stored
        self._seen = seen
        self._shards: list[Shard] = []
        self._inputs = 0
        self._dropped: Counter[str] = Counter()
        self._cost: Counter[str] = Counter()

    def is_stored(self, index: int) -> bool:
        """Returns whether a shard was stored at the last look-up.

        Raises:
            StoreError: The store cannot be listed.
        """
        return self._name(index) in (self.look_up() if self._stored is None else self._stored)

    def look_up(self) -> frozenset[str]:
        """Looks up which shards are stored; raises as `is_stored`."""
        self._stored = stored_keys(self._store, self._manifest.stage, self._manifest.key)
        return self._stored

    def begin(self, index: int, inputs: int) -> None:
        """Logs the start of the work on a shard."""
        logger.info("shard started name=%s rows=%d", self._name(index), inputs)

    def store(self, index: int, inputs: int, made: Work) -> None:
        """Writes a shard and adds it; if another worker was first, its shard counts.

        Raises:
            StoreError: It cannot be written or read.
        """
        name, data = self._name(index), _join(made)
        if not self._store.create(name, data):
            data = self._store.read(name)
        logger.info("shard stored name=%s", name)
        self._add(name, inputs, data)

    def add_stored(self, index: int, inputs: int) -> None:
        """Adds a shard that is stored already.

        Raises:
            StoreError: It cannot be read.
        """
        name = self._name(index)
        self._add(name, inputs, self._store.read(name))

    def manifest(self) -> Manifest:
        """Returns the manifest with the added shards and their counts."""
        counts = Counts(
            inputs=self._inputs,
            rows=sum(shard.rows for shard in self._shards),
            tokens=read_counts(self._cost).tokens,
            dropped=self._dropped,
        )
        return msgspec.structs.replace(
            self._manifest, shards=tuple(self._shards), counts=counts.named()
        )

    def _name(self, index: int) -> str:
        return f"{self._manifest.stage}/{self._manifest.key}/{index:05d}.jsonl"

    def _add(self, name: str, inputs: int, data: bytes) -> None:
        records, dropped, cost = _sections(data)
        self._shards.append(Shard(key=name, sha256=sha256_bytes(data), rows=len(records)))
        self._inputs += inputs
        rejected = list(_decode(dropped, Dropped, name, first=len(records) + 2))
        self._dropped.update(row.reason for row in rejected)
        if self._seen is not None:
            self._seen.add(list(_decode(records, self._seen.kind, name, first=1)), rejected)
        for line in cost:
            self._cost.update(from_json(line, dict[str, int], name))


class ShardWriter:
    """Writes a stream of records of one split as shards of equal size.

    A shard's name contains a part of its hash, so that an object of another run below the same
    prefix is never mistaken for it.

    Args:
        store: Where to write.
        prefix: Key of the shards without number and suffix.
        split: Split that is recorded with each shard.
        rows_per_shard: Rows in all shards but the last.
    """

    def __init__(self, store: Store, prefix: str, split: str, rows_per_shard: int) -> None:
        self._store = store
        self._prefix = prefix
        self._split = split
        self._rows_per_shard = rows_per_shard
        self._buffer: list[Record] = []
        self._shards: list[Shard] = []

    def add(self, record: Record) -> None:
        """Adds a record; writes a shard when it is full."""
        self._buffer.append(record)
        if len(self._buffer) == self._rows_per_shard:
            self._flush()

    def close(self) -> list[Shard]:
        """Writes the remaining records and returns the shards."""
        if self._buffer:
            self._flush()
        return self._shards

    def _flush(self) -> None:
        data = _lines(self._buffer)
        digest = sha256_bytes(data)
        key = f"{self._prefix}-{len(self._shards):05d}-{digest[:NAME_DIGITS]}.jsonl"
        self._store.create(key, data)
        self._shards.append(
            Shard(key=key, sha256=digest, rows=len(self._buffer), split=self._split)
        )
        self._buffer = []


def finish(store: Store, manifest: Manifest) -> Manifest:
    """Stores the manifest, which completes the stage; returns the stored (first writer's) one."""
    name = manifest_key(manifest.stage, manifest.key)
    if store.create(name, to_json(manifest) + b"\n"):
        return manifest
    return read_manifest(store.read(name), name)


def read_shards(store: Reader, manifest: Manifest, kind: type[R]) -> Iterator[list[R]]:
    """Yields a stage's records shard by shard.

    Raises:
        StoreError: A shard is missing or has another checksum than its manifest says.
        DataError: A line is not a record of this class.
    """
    return (records for records, _ in read_rows(store, manifest, kind))


def read_rows(
    store: Reader, manifest: Manifest, kind: type[R]
) -> Iterator[tuple[list[R], list[Dropped]]]:
    """Yields a stage's records and its dropped rows shard by shard; raises as `read_shards`."""
    for shard in manifest.shards:
        records, dropped, _ = _sections(_checked(store, manifest, shard))
        yield (
            list(_decode(records, kind, shard.key, first=1)),
            list(_decode(dropped, Dropped, shard.key, first=len(records) + 2)),
        )


def read_records(store: Reader, manifest: Manifest, kind: type[R]) -> Iterator[R]:
    """Yields a stage's records one by one; raises as `read_shards`."""
    for records in read_shards(store, manifest, kind):
        yield from records


def read_dropped(store: Reader, manifest: Manifest) -> Iterator[Dropped]:
    """Yields the rows that a stage did not use; raises as `read_shards`."""
    for shard in manifest.shards:
        records, dropped, _ = _sections(_checked(store, manifest, shard))
        yield from _decode(dropped, Dropped, shard.key, first=len(records) + 2)


def _checked(store: Reader, manifest: Manifest, shard: Shard) -> bytes:
    data = store.read(shard.key)
    if sha256_bytes(data) != shard.sha256:
        raise StoreError(
            f"{store.uri}/{shard.key}: its bytes don't match the manifest's checksum; delete "
            f"{manifest.stage}/{manifest.key}/ in the store and run again"
        )
    return data


def _lines(records: Iterable[object]) -> bytes:
    return b"".join(to_json(record) + b"\n" for record in records)


def _join(made: Work) -> bytes:
    """Returns a shard's bytes: its sections with an empty line between, none at the end."""
    sections = [made.records, made.dropped, [made.cost] if made.cost else []]
    data = b"\n".join(_lines(section) for section in sections).rstrip(b"\n")
    return data + b"\n" if data else b""


def _sections(data: bytes) -> list[list[bytes]]:
    """Returns a shard's lines of records, dropped rows and cost; JSON itself has no empty line."""
    sections: list[list[bytes]] = [[]]
    for line in data.splitlines():
        if line:
            sections[-1].append(line)
        else:
            sections.append([])
    return [*sections, [], []][:3]


def _decode(lines: Sequence[bytes], kind: type[R], where: str, first: int) -> Iterator[R]:
    for number, line in enumerate(lines, start=first):
        yield from_json(line, kind, f"{where}:{number}")
