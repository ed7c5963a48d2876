"""Shards: killed at any moment, a stage loses nothing and ends with the same bytes."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judgeloop.errors import DataError, StoreError
from judgeloop.records import Example, Manifest, to_json
from judgeloop.shards import (
    Dropped,
    ShardWriter,
    Work,
    finish,
    finished,
    read_manifest,
    read_records,
    write_shards,
)
from judgeloop.store import FolderStore

HEADER = Manifest(stage="work", stage_version=1, key="k")


class Killed(Exception):
    """Stands for a kill in the middle of a batch."""


def example(number: int) -> Example:
    return Example(id=f"e{number}", images=(), prompt="p", completion="c")


def work(batch: Sequence[int]) -> Work:
    return Work(
        [example(n) for n in batch if n % 3],
        [Dropped(id=f"e{n}", reason="third") for n in batch if n % 3 == 0],
    )


def batches(count: int) -> list[list[int]]:
    return [[4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3] for i in range(count)]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


@settings(max_examples=20, deadline=None)
@given(kills=st.lists(st.integers(0, 4), max_size=4))
def test_a_killed_stage_goes_on_where_it_was_and_ends_with_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, kills: list[int]
) -> None:
    unbroken, broken = (FolderStore(tmp_path_factory.mktemp("s")) for _ in range(2))
    finish(unbroken, write_shards(unbroken, HEADER, batches(5), work))
    done: list[int] = []
    for kill in kills:

        def dying(batch: Sequence[int], kill: int = kill) -> Work:
            if batch[0] == 4 * kill:
                raise Killed
            done.append(batch[0])
            return work(batch)

        if 4 * kill not in done:  # else that shard is there, and nothing would die
            with pytest.raises(Killed):
                write_shards(broken, HEADER, batches(5), dying)
    finish(broken, write_shards(broken, HEADER, batches(5), work))
    assert contents(Path(broken.uri)) == contents(Path(unbroken.uri))
    assert len(done) == len(set(done))


def test_a_finished_shard_is_not_made_again(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    write_shards(store, HEADER, batches(2), work)
    made: list[int] = []

    def counting(batch: Sequence[int]) -> Work:
        made.append(batch[0])
        return work(batch)

    write_shards(store, HEADER, batches(3), counting)
    assert made == [8]


def test_a_stage_is_done_when_its_manifest_is_there_and_not_before(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    written = write_shards(store, HEADER, batches(2), work)
    assert finished(store, "work", "k") is None
    finish(store, written)
    assert finished(store, "work", "k") == written


def test_the_manifest_counts_inputs_rows_and_reasons(tmp_path: Path) -> None:
    written = write_shards(FolderStore(tmp_path), HEADER, batches(3), work)
    assert written.counts == {"dropped/third": 4, "inputs": 12, "rows": 8}


def test_records_come_back_in_order(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    written = write_shards(store, HEADER, batches(3), work)
    ids = [record.id for record in read_records(store, written, Example)]
    assert ids == [f"e{n}" for n in range(12) if n % 3]


def test_a_shard_with_other_bytes_than_its_checksum_is_refused(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    written = write_shards(store, HEADER, batches(1), work)
    store.write(written.shards[0].key, to_json(example(99)) + b"\n")
    with pytest.raises(StoreError, match="checksum"):
        list(read_records(store, written, Example))


def test_a_manifest_of_another_schema_is_refused_with_what_to_do() -> None:
    data = to_json(HEADER).replace(b'"schema_version":1', b'"schema_version":99')
    with pytest.raises(StoreError, match="use another store"):
        read_manifest(data, "m")
    with pytest.raises(DataError, match="m: not a Manifest"):
        read_manifest(b"{}", "m")


def test_a_stream_is_cut_into_shards_of_equal_size_but_the_last(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    writer = ShardWriter(store, "s/k/p000", "p000", 4)
    for number in range(10):
        writer.add(example(number))
    shards = writer.close()
    assert [(s.key, s.rows, s.split) for s in shards] == [
        ("s/k/p000-00000.jsonl", 4, "p000"),
        ("s/k/p000-00001.jsonl", 4, "p000"),
        ("s/k/p000-00002.jsonl", 2, "p000"),
    ]
