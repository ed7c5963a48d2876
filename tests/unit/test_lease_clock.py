"""A lease on a clock that the test moves: whom a worker follows when, and what it says."""

import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from judgeloop.runtime import lease as leases
from judgeloop.runtime.lease import FOLDER, PACE, Holder, Lease, read_holder, this_process
from judgeloop.runtime.progress import Progress
from judgeloop.schema.records import to_json
from judgeloop.store import FolderStore, sha256_bytes

FIRST = f"{FOLDER}/work/00001.json"


class Clock:
    """The waiting worker's clock, which moves while it sleeps."""

    def __init__(self) -> None:
        self.waited = 0.0
        self.at: dict[float, Callable[[], object]] = {}
        """What happens after so many seconds."""

    def monotonic(self) -> float:
        return 5000.0 + self.waited

    def sleep(self, seconds: float) -> None:
        self.waited += seconds
        assert self.waited < 1000, "waits for ever"
        self.at.get(self.waited, lambda: None)()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(leases, "time", clock)
    return clock


@pytest.fixture
def folder(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


def acquired(folder: FolderStore) -> Lease:
    lease = Lease(folder, "work", PACE)
    lease.acquire()
    return lease


def elsewhere(**changes: Any) -> Holder:
    """A holder of whom nobody here can say whether it lives."""
    far = {"host": "far", "machine": "another", "pid": 77, "since": "noon"}
    return msgspec.structs.replace(this_process(), **far | changes)


def test_who_is_silent_for_the_expiry_is_followed_and_the_log_says_whom_it_waited_for(
    folder: FolderStore, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    key = f"{FOLDER}/work/00007.json"
    holder = elsewhere()
    folder.write(key, to_json(holder))
    clock.at[20] = lambda: folder.write(key, to_json(msgspec.structs.replace(holder, beats=1)))
    acquired(folder)
    assert clock.waited == 20 + PACE.expiry_s == 80
    assert [record.getMessage() for record in caplog.records] == [
        *(
            f"lease=work is held by process 77 on far (since noon), waited {seconds} s: waiting "
            "until it is released or has no heartbeat for 60 s"
            for seconds in (0, 60)
        ),
        "lease=work: no heartbeat of process 77 on far (since noon) for 60 s, taking over",
    ]
    assert folder.list(FOLDER) == [f"{FOLDER}/work/00008.json"]


@pytest.mark.parametrize(("pod", "asked_after"), [("its pod", [0, 5, 10]), ("", [])])
def test_kubernetes_is_asked_for_a_holder_s_pod_every_few_seconds(
    pod: str,
    asked_after: list[float],
    folder: FolderStore,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked: list[tuple[str, float]] = []

    def is_pod_gone(pod: str) -> bool:
        asked.append((pod, clock.waited))
        return clock.waited >= 8

    monkeypatch.setattr(leases, "is_pod_gone", is_pod_gone)
    folder.write(FIRST, to_json(elsewhere(pod=pod)))
    acquired(folder)
    assert asked == [(pod, seconds) for seconds in asked_after]
    assert clock.waited == (10 if pod else PACE.expiry_s)
    gone = "lease=work: the pod of process 77 on far (since noon) is gone, taking over"
    assert (gone in caplog.text) is bool(pod)


def test_who_has_exited_on_this_machine_is_followed_at_once(
    folder: FolderStore, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    folder.write(FIRST, to_json(msgspec.structs.replace(this_process(), born="1")))
    acquired(folder)
    assert clock.waited == 0
    assert f"lease=work: process {os.getpid()} on {socket.gethostname()}" in caplog.text
    assert "has exited, taking over" in caplog.text
    assert folder.list(FOLDER) == [f"{FOLDER}/work/00002.json"]


class Racing(FolderStore):
    """A store in which something else happens at the first creation."""

    def __init__(self, root: Path, race: str) -> None:
        super().__init__(root)
        self.race = race

    def create(self, key: str, data: bytes) -> bool:
        race, self.race = self.race, ""
        if race == "another was first":
            self.write(key, to_json(elsewhere()))
        if race == "done and denied":  # a request that was sent again meets its own object
            self.write(key, data)
        return super().create(key, data) if race != "another was first and has ended" else False


@pytest.mark.parametrize(
    ("race", "waited"),
    [
        ("", 0),
        ("another was first", 3),
        ("another was first and has ended", 0),
        ("done and denied", 0),
    ],
)
def test_a_worker_holds_the_lease_that_it_has_written(
    race: str, waited: int, tmp_path: Path, clock: Clock
) -> None:
    store = Racing(tmp_path, race)
    clock.at[3] = lambda: store.delete(FIRST)
    lease = acquired(store)
    assert clock.waited == waited
    assert read_holder(store, FIRST).pid == os.getpid()
    lease.release()
    assert store.list(FOLDER) == []


def test_a_lease_that_was_released_since_the_listing_hides_no_other(
    tmp_path: Path, clock: Clock
) -> None:
    class Late(FolderStore):
        def list(self, prefix: str) -> list[str]:
            return [*super().list(prefix), f"{FOLDER}/work/00009.json"]

    store = Late(tmp_path)
    store.write(FIRST, to_json(elsewhere()))
    clock.at[4] = lambda: store.delete(FIRST)
    acquired(store)
    assert clock.waited == 4


def test_a_heartbeat_counts_and_says_how_far_the_work_is(folder: FolderStore) -> None:
    lease = acquired(folder)
    before = read_holder(folder, FIRST)
    Progress("judge/p003", 7, "pairs").advance(2)
    for _ in range(2):
        lease._beat()
    found = read_holder(folder, FIRST)
    assert (before.beats, found.beats, found.id) == (0, 2, before.id)
    assert found.progress is not None
    assert str(found.progress).startswith("2 of 7 pairs")
    assert not lease.ensure_held()


@pytest.mark.parametrize("instead", [None, "another"])
def test_a_lease_that_was_taken_away_is_lost_at_the_next_heartbeat(
    instead: str | None, folder: FolderStore, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    lease = acquired(folder)
    if instead:
        folder.write(f"{FOLDER}/work/00002.json", to_json(elsewhere()))
        clock.at[2] = lambda: folder.delete(f"{FOLDER}/work/00002.json")
    folder.delete(FIRST)
    lease._beat()
    assert "lease=work lost to another worker" in caplog.text
    assert lease.ensure_held()
    assert clock.waited == (2 if instead else 0)
    assert not lease.ensure_held()
    assert folder.list(FOLDER) == [FIRST]


def test_a_holder_says_which_process_it_is_and_since_when(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "this_pod", lambda: "its pod")
    one, two = this_process(), this_process()
    assert one.id != two.id
    assert one.pod == "its pod"
    assert str(one) == f"process {os.getpid()} on {socket.gethostname()} (since {one.since})"
    since = datetime.fromisoformat(one.since)
    assert since.utcoffset() == timedelta(0)
    assert since.microsecond == 0
    assert abs(datetime.now(UTC) - since) < timedelta(minutes=5)


@pytest.mark.parametrize(
    ("changes", "here", "gone"),
    [
        ({}, True, False),
        ({"born": "1"}, False, True),  # its number was given to another process
        ({"machine": "another"}, False, False),
        ({"machine": "another", "born": "1"}, False, False),
    ],
)
def test_a_process_of_this_machine_is_known_to_live_or_to_be_gone(
    changes: dict[str, str], here: bool, gone: bool
) -> None:
    holder = msgspec.structs.replace(this_process(), **changes)
    assert (holder.is_here(), holder.is_gone()) == (here, gone)


def test_a_machine_is_a_boot_and_a_table_of_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "_PROC", tmp_path)
    for holder in (this_process(), msgspec.structs.replace(this_process(), born="1")):
        assert holder.machine == ""  # off Linux nothing is known of a process
        assert (holder.is_here(), holder.is_gone()) == (False, False)
    (tmp_path / "sys/kernel/random").mkdir(parents=True)
    (tmp_path / "sys/kernel/random/boot_id").write_text("a-boot\n")
    (tmp_path / "self/ns").mkdir(parents=True)
    (tmp_path / "self/ns/pid").symlink_to("pid:[123]")
    assert this_process().machine == "a-boot pid:[123]"


def test_a_lease_that_cannot_be_read_is_an_unknown_holder_s_until_it_changes(
    folder: FolderStore,
) -> None:
    folder.write(FIRST, b"{}")
    holder = read_holder(folder, FIRST)
    assert holder == Holder(
        id=sha256_bytes(b"{}"), host="an unknown machine", pid=0, machine="", born="", since="?"
    )
    folder.write(FIRST, b"[]")
    assert read_holder(folder, FIRST) != holder
