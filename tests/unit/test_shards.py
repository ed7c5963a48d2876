"""Shards: killed at any moment, a stage loses nothing and ends with the same bytes."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judgeloop.schema.errors import DataError, StoreError
from judgeloop.schema.records import Dropped, Example, Manifest, to_json
from judgeloop.store import FolderStore
from judgeloop.store.shards import (
    ShardWriter,
    Work,
    finish,
    finished,
    read_manifest,
    read_records,
    write_shards,
)
from tests.unit.test_images import CountingStore

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


@pytest.mark.parametrize("dropped", [(), (Dropped(id="d", reason="third"),)])
@pytest.mark.parametrize("records", [[], [example(1), example(2)]])
def test_what_shards_cost_is_summed_also_over_those_of_an_earlier_run(
    tmp_path: Path, records: list[Example], dropped: tuple[Dropped, ...]
) -> None:
    store = FolderStore(tmp_path)

    def costly(batch: Sequence[int]) -> Work:
        return Work(records, dropped, {"tokens/prompt": 10 + batch[0]})

    write_shards(store, HEADER, batches(1), costly)
    written = write_shards(store, HEADER, batches(2), costly)
    assert written.counts["tokens/prompt"] == 10 + 14
    assert written.counts.get("rows", 0) == 2 * len(records)
    assert written.counts.get("dropped/third", 0) == 2 * len(dropped)
    assert list(read_records(store, written, Example)) == 2 * records


def test_a_finished_shard_is_not_made_again(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    write_shards(store, HEADER, batches(2), work)
    made: list[int] = []

    def counting(batch: Sequence[int]) -> Work:
        made.append(batch[0])
        return work(batch)

    write_shards(store, HEADER, batches(3), counting)
    assert made == [8]


@pytest.mark.parametrize("dies_at", [0, 1, 2, 3, 4])
def test_records_and_dropped_rows_are_of_one_attempt_where_each_attempt_gives_others(
    tmp_path: Path, dies_at: int
) -> None:
    def attempt(parity: int, batch: Sequence[int]) -> Work:
        kept = [n for n in batch if n % 3 % 2 == parity]
        return Work(
            [example(n) for n in kept],
            [Dropped(id=f"e{n}", reason=f"try{parity}") for n in batch if n not in kept],
        )

    def first(batch: Sequence[int]) -> Work:
        return attempt(0, batch)

    def second(batch: Sequence[int]) -> Work:
        return attempt(1, batch)

    with pytest.raises(KeyboardInterrupt):
        write_shards(CountingStore(tmp_path, dies_at), HEADER, batches(5), first)
    store = FolderStore(tmp_path)
    counts = write_shards(store, HEADER, batches(5), second).counts
    dropped = counts.get("dropped/try0", 0) + counts.get("dropped/try1", 0)
    assert counts["rows"] + dropped == counts["inputs"] == 20
    assert bool(dies_at) == ("dropped/try0" in counts)


def test_of_two_writers_the_first_ones_rows_and_counts_stay(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)

    def late(batch: Sequence[int]) -> Work:
        write_shards(store, HEADER, batches(1), work)
        return Work([example(n) for n in batch])

    written = write_shards(store, HEADER, batches(1), late)
    assert written.counts == {"dropped/third": 2, "inputs": 4, "rows": 2}
    assert [e.id for e in read_records(store, written, Example)] == ["e1", "e2"]


def test_a_shard_is_one_object_which_its_writer_does_not_read_back(tmp_path: Path) -> None:
    store = CountingStore(tmp_path)
    write_shards(store, HEADER, batches(2), work)
    assert store.created == ["work/k/00000.jsonl", "work/k/00001.jsonl"]
    assert store.asked == ["work/k"], "one listing says which shards are there"


def test_a_shard_without_any_record_still_holds_what_was_dropped(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    for _ in range(2):  # made, then found
        written = write_shards(store, HEADER, [[0, 3]], work)
        assert written.counts == {"dropped/third": 2, "inputs": 2}
        assert list(read_records(store, written, Example)) == []


def test_a_damaged_line_is_named_by_its_number(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    write_shards(store, HEADER, batches(1), work)
    name = "work/k/00000.jsonl"
    store.write(name, store.read(name).replace(b'"id":"e3"', b'"id":3'))
    with pytest.raises(DataError, match=r"00000\.jsonl:5: not a Dropped"):
        write_shards(store, HEADER, batches(1), work)


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
    data = to_json(msgspec.structs.replace(HEADER, schema_version=99))
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
        (f"s/k/p000-{i:05d}-{shard.sha256[:16]}.jsonl", rows, "p000")
        for i, (rows, shard) in enumerate(zip((4, 4, 2), shards, strict=True))
    ]


def test_what_another_run_left_below_the_prefix_is_not_taken_for_a_shard(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    for rows_per_shard in (3, 4):  # as after a kill and a changed setting
        writer = ShardWriter(store, "s/k/p000", "p000", rows_per_shard)
        for number in range(10):
            writer.add(example(number))
        manifest = Manifest(stage="s", stage_version=1, key="k", shards=tuple(writer.close()))
        ids = [record.id for record in read_records(store, manifest, Example)]
        assert ids == [f"e{number}" for number in range(10)]
