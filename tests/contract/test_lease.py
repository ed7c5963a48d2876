"""Leases: of two that want the same work one works, in a folder and on a real S3 server."""

import io
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
from botocore.awsrequest import AWSResponse
from urllib3.response import HTTPResponse

from judgeloop.method.steps import Steps
from judgeloop.runtime.inference import Records
from judgeloop.runtime.lease import FOLDER, Holder, Lease, Pace, held, this_process
from judgeloop.runtime.once import Turn, once
from judgeloop.runtime.progress import Progress
from judgeloop.runtime.stages.inference import infer
from judgeloop.schema.config import load_config
from judgeloop.schema.errors import StoreError
from judgeloop.schema.records import Manifest, ModelRef, from_json, to_json
from judgeloop.store import FolderStore, Store, open_store
from judgeloop.store.shards import finish
from tests.conftest import REPOSITORY

QUICK = Pace(heartbeat_s=0.05, expiry_s=0.6, poll_s=0.02)
STEADY = Pace(heartbeat_s=0.05, expiry_s=2, poll_s=0.02)
"""Expires where a busy machine misses forty heartbeats in a row."""
SILENT = Pace(heartbeat_s=1000, expiry_s=0.6, poll_s=0.02)
PATIENT = Pace(heartbeat_s=0.05, expiry_s=1000, poll_s=0.02)
"""Never takes a lease from a holder for its silence."""


@pytest.fixture(params=["folder", "s3", "s3 without conditional puts"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store of each kind."""
    if request.param == "folder":
        return open_store(str(tmp_path / "store"))
    found: Any = open_store(request.getfixturevalue("s3_uri"))
    if request.param != "s3":
        found._client.meta.events.register("before-send.s3.PutObject", refuse_conditions)
    return found


def refuse_conditions(request: Any, **_: Any) -> Any:
    """Answer a conditional put as an endpoint without them does."""
    if request.headers.get("If-None-Match") is None:
        return None
    body = io.BytesIO(b"<Error><Code>NotImplemented</Code><Message>no</Message></Error>")
    return AWSResponse(request.url, 501, {}, HTTPResponse(body, preload_content=False))


@pytest.fixture
def folder(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


class Other(threading.Thread):
    """Another worker who wants the lease, holds it until told, and says when it has it."""

    def __init__(self, store: Store, pace: Pace = QUICK) -> None:
        super().__init__(daemon=True)
        self.store, self.pace = store, pace
        self.has_it, self.may_end = threading.Event(), threading.Event()

    def run(self) -> None:
        with held(self.store, "work", self.pace):
            self.has_it.set()
            self.may_end.wait(60)

    def __enter__(self) -> "Other":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.may_end.set()
        self.join()


def elsewhere(**changes: Any) -> Holder:
    """A holder of whom nobody here can say whether it lives."""
    return msgspec.structs.replace(this_process(), host="far", machine="another", **changes)


def test_one_works_and_the_other_waits_until_the_first_has_ended(store: Store) -> None:
    with Other(store, STEADY) as other, held(store, "something else", QUICK):
        assert other.has_it.wait(30)
        with Other(store, STEADY) as second:
            assert not second.has_it.wait(1.2 * STEADY.expiry_s)  # heartbeats keep it off
            other.may_end.set()
            assert second.has_it.wait(30)
    assert store.list(FOLDER) == []


def test_many_that_begin_at_once_work_one_after_the_other(folder: FolderStore) -> None:
    at_work, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal at_work, most
        with held(folder, "work", QUICK):
            with lock:
                at_work += 1
                most = max(most, at_work)
            time.sleep(0.05)
            with lock:
                at_work -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert folder.list(FOLDER) == []


def test_a_lease_is_given_up_when_the_work_fails(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), held(store, "work", QUICK):
        raise ZeroDivisionError
    assert store.list(FOLDER) == []


@pytest.mark.parametrize("since", ["1970-01-01T00:00:00+00:00", "2999-01-01T00:00:00+00:00"])
def test_a_silent_holder_elsewhere_is_followed_whatever_its_clock_says(
    store: Store, since: str, caplog: pytest.LogCaptureFixture
) -> None:
    store.write(f"{FOLDER}/work/00007.json", to_json(elsewhere(since=since, pid=77)))
    began = time.monotonic()
    with held(store, "work", QUICK):
        assert time.monotonic() - began >= QUICK.expiry_s
        (key,) = store.list(FOLDER)
        assert from_json(store.read(key), Holder, key).pid == os.getpid()
    said = [
        record.getMessage() for record in caplog.records if record.name == "judgeloop.runtime.lease"
    ]
    assert "held by process 77 on far" in said[0]
    assert "waited 0 s" in said[0]
    assert "no heartbeat" in said[-1]


HOLD = (
    "import sys, time; from judgeloop.runtime.lease import held\n"
    "from judgeloop.store import open_store\n"
    "with held(open_store(sys.argv[1]), 'work'): print('held', flush=True); time.sleep(600)"
)


@pytest.fixture
def holder(folder: FolderStore) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lease."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, folder.uri], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    with process, ExitStack() as last:
        last.callback(process.kill)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def test_no_number_of_a_lease_is_too_large_to_be_followed(folder: FolderStore) -> None:
    folder.write(f"{FOLDER}/work/999999999.json", b"of no process")
    with held(folder, "work", QUICK) as lease:
        time.sleep(3 * QUICK.heartbeat_s)
        assert not lease.ensure_held()
        assert folder.list(FOLDER) == [f"{FOLDER}/work/1000000000.json"]


@pytest.mark.parametrize("reaped", [True, False])
def test_a_killed_holder_on_this_machine_costs_no_waiting(
    folder: FolderStore, holder: subprocess.Popen[str], reaped: bool
) -> None:
    with Other(folder, PATIENT) as other:
        assert not other.has_it.wait(0.5)  # it lives
        os.kill(holder.pid, signal.SIGKILL)
        if reaped:
            holder.wait()
        assert other.has_it.wait(10)  # its lease would expire after a minute


def test_a_number_that_was_given_to_another_process_is_not_the_holder() -> None:
    mine = this_process()
    assert not mine.is_gone()
    assert msgspec.structs.replace(mine, born="1").is_gone()
    assert not elsewhere(born="1").is_gone()


def test_who_was_taken_for_dead_is_told_and_waits_at_its_next_step(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    lease = Lease(store, "work", PATIENT)
    lease.acquire()
    lease.ensure_held()  # nothing to wait for
    with Other(store, SILENT) as other:
        assert other.has_it.wait(30)  # no heartbeat: it has expired
        with lease.heartbeat():
            deadline = time.monotonic() + 30
            while "lost to another worker" not in caplog.text and time.monotonic() < deadline:
                time.sleep(0.02)
            waiting = threading.Thread(target=lease.ensure_held)
            waiting.start()
            waiting.join(0.5)
            assert waiting.is_alive()
            other.may_end.set()
            waiting.join(30)
            assert not waiting.is_alive()
    assert len(store.list(FOLDER)) == 1  # its own again
    lease.release()
    assert store.list(FOLDER) == []


class Deceitful(FolderStore):
    """A store without conditional puts in its worst moment: every creator is told that it won."""

    first_is_sure = False

    def create(self, key: str, data: bytes) -> bool:
        self.write(key, data)
        return True


def test_of_two_that_were_both_told_to_be_first_one_goes_on(tmp_path: Path) -> None:
    store = Deceitful(tmp_path)
    first, second = (Lease(store, "work", QUICK) for _ in range(2))
    assert first._create(1)
    assert second._create(1)  # neither had seen the other
    first._beat()
    second._beat()
    assert [first._lost.is_set(), second._lost.is_set()] == [True, False]
    first.release()
    assert second._is_mine()  # the loser's release takes nothing from the winner


class Moody(FolderStore):
    """A store that fails while it is told to."""

    fails = False

    def list(self, prefix: str) -> list[str]:
        if self.fails:
            raise StoreError("S3 answered 503")
        return super().list(prefix)

    def read(self, key: str) -> bytes:
        if self.fails:
            raise StoreError("S3 answered 503")
        return super().read(key)

    def delete(self, key: str) -> None:
        if self.fails:
            raise StoreError("S3 answered 503")
        super().delete(key)


def test_a_store_that_is_away_costs_heartbeats_and_no_work(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Moody(tmp_path)
    with held(store, "work", QUICK) as lease:
        store.fails = True
        time.sleep(4 * QUICK.heartbeat_s)
        lease.ensure_held()
    assert "missed a heartbeat: S3 answered 503" in caplog.text
    assert "not released, it expires by itself" in caplog.text


@pytest.mark.parametrize("what", ["a field of a newer version", "no lease at all"])
def test_a_lease_of_another_version_neither_ends_the_heartbeat_nor_the_work(
    store: Store, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    with held(store, "work", QUICK) as lease:
        key = lease._key(1)
        newer = msgspec.to_builtins(lease._holder) | {"region": {"zone": 1}}
        deadline = time.monotonic() + 30
        while not lease._lost.is_set() and time.monotonic() < deadline:
            # Again and again: a beat that has just read its own lease writes over this once.
            store.write(key, to_json(newer if "field" in what else {"id": 7}))
            time.sleep(QUICK.heartbeat_s)
            if "field" in what and lease._holder.beats > 2:
                break
        assert lease._lost.is_set() is ("field" not in what)
    assert "Exception in thread" not in caplog.text


def test_a_lease_that_cannot_be_read_is_followed_when_it_has_been_silent(store: Store) -> None:
    store.write(f"{FOLDER}/work/00003.json", b"{}")
    began = time.monotonic()
    with held(store, "work", QUICK) as lease:
        assert time.monotonic() - began >= QUICK.expiry_s
        assert store.list(FOLDER) == [lease._key(4)]


class Counting(FolderStore):
    """A store that notes what is asked of it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked: list[str] = []

    def list(self, prefix: str) -> list[str]:
        self.asked.append(f"list {prefix}")
        return super().list(prefix)

    def read(self, key: str) -> bytes:
        self.asked.append("read")
        return super().read(key)

    def create(self, key: str, data: bytes) -> bool:
        self.asked.append("create")
        return super().create(key, data)

    def delete(self, key: str) -> None:
        self.asked.append("delete")
        super().delete(key)


def test_a_lease_costs_three_requests_and_lists_nobody_else_s(tmp_path: Path) -> None:
    store = Counting(tmp_path)
    for number in range(20):
        store.write(f"{FOLDER}/other-{number}/00001.json", to_json(this_process()))
    with held(store, "work", PATIENT):
        pass
    assert store.asked == [f"list {FOLDER}/work", "create", "delete"]


def test_who_asks_for_a_stage_while_it_is_made_gets_what_is_made(store: Store) -> None:
    made: list[int] = []
    begun = threading.Event()
    results: list[Manifest] = []

    def make(_: Turn) -> Manifest:
        made.append(1)
        begun.set()
        time.sleep(0.3)
        return Manifest(stage="work", stage_version=1, key="k", counts={"rows": len(made)})

    def ask() -> None:
        results.append(once(store, "work", "k", make))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    threads[0].start()
    assert begun.wait(30)
    threads[1].start()
    for thread in threads:
        thread.join(60)
    assert made == [1]
    assert [result.counts for result in results] == [{"rows": 1}] * 2
    assert store.list("") == ["work/k/manifest.json"]


def test_a_stage_that_is_done_waits_for_no_lease_and_clears_away_what_a_kill_left_of_its_own(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    done = finish(store, Manifest(stage="work", stage_version=1, key="k"))
    for name in ("work-k/00001", "work-k/00002", "work-k2/00001"):
        store.write(f"{FOLDER}/{name}.json", to_json(elsewhere()))
    with caplog.at_level(logging.WARNING, logger="judgeloop.runtime.lease"):
        assert once(store, "work", "k", pytest.fail) == done
    assert "lease" not in caplog.text
    assert store.list(FOLDER) == [f"{FOLDER}/work-k2/00001.json"]


def test_a_model_s_stage_asks_before_each_shard_whether_it_still_holds_its_lease(
    folder: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config(REPOSITORY / "pipelines/configs/micro.yaml")
    header = Manifest(stage="work", stage_version=1, key="k", model=ModelRef(base="scripted:"))
    events: list[str] = []
    monkeypatch.setattr(Lease, "ensure_held", lambda _: events.append("asked"))

    def steps(row: str) -> Steps[Records]:
        events.append(row)
        yield from ()
        return []

    infer(
        config, folder, header, [["a"], ["b"], ["c"]], steps=steps,
        progress=lambda: Progress("work", 3, "rows"), complete=lambda written: written,
    )  # fmt: skip
    assert events == ["asked", "a", "asked", "b", "asked", "c"]
