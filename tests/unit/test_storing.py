"""A shard is stored behind the model's back, and yet a kill costs the answers of one at most."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from judgeloop.runtime.storing import storing
from judgeloop.schema.errors import EngineError, StoreError
from judgeloop.schema.records import Dropped, Manifest
from judgeloop.store import FolderStore
from judgeloop.store.shards import Work, write_shards

HEADER = Manifest(stage="judge", stage_version=1, key="k")
NAMES = [f"judge/k/{index:05d}.jsonl" for index in range(3)]
BATCHES = [["a"], ["b"], ["c"]]
LONG_S = 30.0


class SlowStore(FolderStore):
    """Stores a shard only when it is let go, as over a slow line."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.go = threading.Event()

    def create(self, key: str, data: bytes) -> bool:
        if not self.go.wait(LONG_S):
            raise StoreError("nobody let it go: the next shard waits for it")
        return super().create(key, data)


class FullStore(FolderStore):
    """Has room for one shard."""

    def create(self, key: str, data: bytes) -> bool:
        if key != NAMES[0]:
            raise StoreError(f"cannot write {key}: no space left")
        return super().create(key, data)


def run(store: FolderStore, works: Callable[[str], None], taken: list[str]) -> None:
    """Makes the shards of all batches; `taken` gets the names of those whose answers were taken."""
    with storing() as behind:

        def work(batch: Sequence[str]) -> Work:
            (name,) = batch
            works(name)
            behind.settle()
            taken.append(name)
            return Work([], [Dropped(id=name, reason="tie")])

        write_shards(store, HEADER, BATCHES, work, behind=behind)


def test_the_model_works_on_while_its_last_shard_is_on_its_way(tmp_path: Path) -> None:
    store = SlowStore(tmp_path)

    def works(name: str) -> None:
        if name == "b":
            assert store.list("judge/k") == []
            store.go.set()

    taken: list[str] = []
    run(store, works, taken)
    assert taken == ["a", "b", "c"]
    assert store.list("judge/k") == NAMES


def test_no_answer_is_taken_before_the_last_shard_is_there(tmp_path: Path) -> None:
    store = SlowStore(tmp_path)
    threading.Timer(0.2, store.go.set).start()
    there: list[int] = []

    with storing() as behind:

        def work(batch: Sequence[str]) -> Work:
            behind.settle()
            there.append(len(store.list("judge/k")))
            return Work([], [Dropped(id=batch[0], reason="tie")])

        write_shards(store, HEADER, BATCHES, work, behind=behind)
    assert there == [0, 1, 2]


def test_a_store_that_fails_ends_the_stage_and_keeps_what_is_there(tmp_path: Path) -> None:
    store = FullStore(tmp_path)
    taken: list[str] = []
    with pytest.raises(StoreError, match="no space left"):
        run(store, lambda name: None, taken)
    assert store.list("judge/k") == NAMES[:1]
    assert taken == ["a", "b"]


def test_work_that_does_not_settle_begins_no_shard_before_the_last_is_there(tmp_path: Path) -> None:
    made: list[str] = []

    def work(batch: Sequence[str]) -> Work:
        made.extend(batch)
        return Work([], [Dropped(id=batch[0], reason="tie")])

    with pytest.raises(StoreError, match="no space left"):
        write_shards(FullStore(tmp_path), HEADER, [*BATCHES, ["d"]], work)
    assert made == ["a", "b"]


def test_a_shard_is_stored_though_the_work_on_the_next_fails(tmp_path: Path) -> None:
    store = SlowStore(tmp_path)

    def works(name: str) -> None:
        if name == "b":
            threading.Timer(0.2, store.go.set).start()
            raise EngineError("out of memory")

    with pytest.raises(EngineError):
        run(store, works, [])
    assert store.list("judge/k") == NAMES[:1]


def test_of_two_failures_the_one_of_the_store_is_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def works(name: str) -> None:
        if name == "c":
            raise EngineError("out of memory")

    with pytest.raises(EngineError):
        run(FullStore(tmp_path), works, [])
    assert "not in the store: cannot write judge/k/00001.jsonl: no space left" in caplog.text
