"""What a stage and a lease find after S3 has misbehaved: the next start goes on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from judgeloop.schema.errors import StoreError
from judgeloop.schema.records import Example, Manifest
from judgeloop.store import FolderStore, S3Store, Store
from judgeloop.store.shards import Work, finish, finished, write_shards
from tests.fault_proxy import FaultProxy
from tests.faulty_s3 import OUTAGES, error_xml


@pytest.fixture
def store(faulty_store: Store) -> Store:
    """What the tests call the store behind the proxy."""
    return faulty_store


@pytest.mark.parametrize("known", [False, True], ids=["first of the process", "later"])
def test_a_creator_whose_answer_was_lost_is_told_that_it_was_first(
    sound_store: S3Store, store: Store, s3_proxy: FaultProxy, known: bool
) -> None:
    if known:
        store.create("another", b"")
    fault = s3_proxy.break_with(method="PUT", path="lease", cut_answer_at=-1, times=1)
    assert store.create("lease", b"mine") is True
    assert fault.met == 1
    assert store.create("lease", b"mine") is False  # nothing was lost: somebody was first
    assert sound_store.read("lease") == b"mine"


def test_a_creator_who_lost_an_answer_and_the_race_is_told_that_it_was_second(
    sound_store: S3Store, store: Store, s3_proxy: FaultProxy
) -> None:
    store.create("another", b"")
    sound_store.write("lease", b"theirs")
    s3_proxy.break_with(method="PUT", path="lease", cut_answer_at=-1, times=1)
    assert store.create("lease", b"mine") is False
    assert sound_store.read("lease") == b"theirs"


def test_a_creator_who_is_told_of_a_conflict_with_itself_was_first(
    sound_store: S3Store, store: Store, s3_proxy: FaultProxy
) -> None:
    store.create("another", b"")
    s3_proxy.break_with(method="PUT", path="lease", cut_answer_at=-1, times=1)
    conflict = error_xml("ConditionalRequestConflict")
    s3_proxy.break_with(method="PUT", path="lease", status=409, body=conflict, times=1)
    assert store.create("lease", b"mine") is True
    assert sound_store.read("lease") == b"mine"


def run_stage(store: Store, made: list[int]) -> Manifest:
    """Eight shards of a stage; notes in `made` which ones were worked for."""

    def work(batch: Sequence[int]) -> Work:
        made.append(batch[0])
        number = batch[0]
        row = Example(id=f"p/chosen_first/{number}", images=("a",), prompt="?", completion="A")
        return Work([row] * 500)

    done = finished(store, "filter", "ab")
    if done is not None:
        return done
    header = Manifest(stage="filter", stage_version=1, key="ab")
    return finish(store, write_shards(store, header, [[number] for number in range(8)], work))


def contents(store: Store) -> dict[str, bytes]:
    return {key: store.read(key) for key in store.list("")}


BREAKS: dict[str, dict[str, Any]] = {
    "503": OUTAGES["503 with Retry-After"],
    "answers lost": OUTAGES["answer lost"],
    "put cut in its body": {"method": "PUT", "cut_request_at": 5_000},
    "answer cut in its body": {"method": "GET", "cut_answer_at": 50},
    "expired credentials": {"status": 400, "body": error_xml("ExpiredToken")},
    "full": {"method": "PUT", "status": 507, "body": error_xml("XMinioStorageFull")},
    "clock": {"status": 403, "body": error_xml("RequestTimeTooSkewed")},
}


@pytest.mark.parametrize("what", BREAKS.values(), ids=BREAKS)
def test_a_stage_that_broke_off_goes_on_and_ends_like_an_unbroken_one(
    sound_store: S3Store, store: Store, s3_proxy: FaultProxy, tmp_path: Path, what: dict[str, Any]
) -> None:
    unbroken = FolderStore(tmp_path / "unbroken")
    expected = run_stage(unbroken, [])
    made: list[int] = []
    s3_proxy.break_with(times=8)  # some shards are there when it starts
    s3_proxy.break_with(**BREAKS["expired credentials"])
    with pytest.raises(StoreError, match="ExpiredToken"):
        run_stage(store, made)
    broken = 1
    for healthy in (2, 8, 14):  # requests before the store breaks
        s3_proxy.heal()
        s3_proxy.break_with(times=healthy)
        s3_proxy.break_with(**what)
        try:
            run_stage(store, made)
        except StoreError:
            broken += 1
    s3_proxy.heal()
    assert run_stage(store, made) == expected
    assert contents(sound_store) == contents(unbroken)
    assert broken > 1
    assert len(made) - 8 <= broken, "each start repeats one shard at most"


def test_a_stage_goes_on_where_the_server_refused_it(
    store: Store, s3_proxy: FaultProxy, tmp_path: Path
) -> None:
    made: list[int] = []
    s3_proxy.break_with(times=8)
    s3_proxy.break_with(**BREAKS["full"])
    with pytest.raises(StoreError, match="the store is full"):
        run_stage(store, made)
    s3_proxy.stop()
    with pytest.raises(StoreError, match="check the network"):
        run_stage(store, made)
    s3_proxy.start()
    s3_proxy.heal()
    assert run_stage(store, made) == run_stage(FolderStore(tmp_path / "unbroken"), [])
    assert len(made) == 8 + 1
