"""A lease on a piece of work: when two workers want the same work, one works and the other waits.

**Correctness does not depend on it.** The first writer of a shard wins with or without a lease, so
two workers on one key end with the same bytes; a lease only avoids duplicate work. Two workers may
hold the same lease for a while, when one machine was suspended and another worker took over.

A lease is an object in the store, `leases/<name>/<generation>.json`. Its holder rewrites it every
few seconds (the heartbeat). To take over from a dead holder a worker creates the *next* generation.
The store lets only one worker create an object, so one of several waiting workers wins. On an
endpoint without conditional put two workers may both believe they won. Each reads the lease again
after creating it and at every heartbeat; one that finds another holder waits in its next
`ensure_held`.

A holder on the same machine is dead when its process is gone, and the lease is taken over at once.
A holder in a pod is dead when its pod is gone or has ended, which Kubernetes reports within seconds
if the account may read pods (`judgeloop.runtime.holder_pod`). Any other holder is dead when the
object has not changed for a minute on the clock of the waiting worker. Clocks of different machines
are never compared.
"""

from __future__ import annotations

import logging
import math
import os
import re
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from judgeloop.runtime.holder_pod import is_pod_gone, this_pod
from judgeloop.runtime.progress import ProgressSnapshot, latest_progress
from judgeloop.schema.errors import DataError, JudgeLoopError, StoreError
from judgeloop.schema.records import Record, from_json, to_json
from judgeloop.store import MissingObjectError, Store, sha256_bytes
from judgeloop.store.scratch import born

logger = logging.getLogger(__name__)

FOLDER = "leases"
LEASE = re.compile(rf"{FOLDER}/(?P<name>[^/]+)/(?P<generation>[0-9]+)\.json")
"""A lease's key."""
_PROC = Path("/proc")


class Pace(NamedTuple):
    """Intervals of a lease, in seconds."""

    heartbeat_s: float = 10.0
    """Interval at which the holder rewrites its lease."""
    expiry_s: float = 60.0
    """A lease that has not changed for this long has expired. It spans several heartbeats, because
    a store may be slow or unavailable during some of them."""
    poll_s: float = 1.0
    """Interval at which a waiting worker reads the lease."""
    pod_s: float = 5.0
    """Interval at which a waiting worker asks Kubernetes for the holder's pod."""


PACE = Pace()


class Holder(Record, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """The content of a lease object: the process that holds it, and its heartbeats.

    Unknown fields, as a newer version may write them, are ignored.
    """

    id: str
    """Unique to this attempt."""
    host: str
    pid: int
    machine: str
    """Identifies the process table of `pid`: only processes that share it can see it exit."""
    born: str
    """Start time of the process, in ticks of that machine; unlike a process id it is not reused."""
    pod: str = ""
    """Its Kubernetes pod, if it runs in one (`judgeloop.runtime.holder_pod`)."""
    since: str
    """UTC on the holder's clock, for people to read; nothing is computed from it."""
    beats: int = 0
    progress: ProgressSnapshot | None = None
    """How far its work is, for people to read."""

    def is_gone(self) -> bool:
        """Whether the process is known to be dead; False if that cannot be told from here."""
        return self.machine == _machine() != "" and born(self.pid) != self.born

    def is_here(self) -> bool:
        """Whether the process is known to be alive; False if that cannot be told from here."""
        return self.machine == _machine() != "" and born(self.pid) == self.born

    def __str__(self) -> str:
        """Names the process for a log line."""
        return f"process {self.pid} on {self.host} (since {self.since})"


def read_holder(store: Store, key: str) -> Holder:
    """Reads a lease.

    A lease that cannot be decoded stands for an unknown holder. It expires like any other.

    Raises:
        MissingObjectError: The lease was released.
        StoreError: The store cannot be read.
    """
    data = store.read(key)
    try:
        return from_json(data, Holder, key)
    except DataError:
        digest = sha256_bytes(data)
        return Holder(id=digest, host="an unknown machine", pid=0, machine="", born="", since="?")


def this_process() -> Holder:
    """Returns a new holder for this process."""
    return Holder(
        id=uuid.uuid4().hex,
        host=socket.gethostname(),
        pid=os.getpid(),
        machine=_machine(),
        born=born(os.getpid()),
        pod=this_pod(),
        since=datetime.now(UTC).isoformat(timespec="seconds"),
    )


@contextmanager
def held(store: Store, name: str, pace: Pace = PACE) -> Iterator[Lease]:
    """Holds a lease during the block; first waits for its current holder, if there is one.

    Args:
        store: The store that all workers share.
        name: Name of the work; letters, digits, `.`, `_` and `-`.
        pace: Intervals.

    Raises:
        StoreError: The store cannot be read or written.
    """
    lease = Lease(store, name, pace)
    lease.acquire()
    try:
        with lease.heartbeat():
            yield lease
    finally:
        lease.release()


def clear(store: Store, name: str) -> None:
    """Removes the stale lease of finished work.

    A worker leaves one when it is killed between its last write and its release. An error of the
    store is only logged: a lease of finished work blocks nobody.
    """
    try:
        for _, key in _generations(store, name):
            store.delete(key)
    except StoreError as error:
        logger.warning("lease=%s of finished work not removed: %s", name, error)


class Lease:
    """One worker's lease; use `held` to acquire and release it.

    Args:
        store: The store that all workers share.
        name: Name of the work.
        pace: Intervals.
    """

    def __init__(self, store: Store, name: str, pace: Pace) -> None:
        self._store = store
        self._name = name
        self._pace = pace
        self._holder = this_process()
        self._generation = 0
        self._lost = threading.Event()

    def acquire(self) -> None:
        """Waits until the lease is free or has expired, and acquires it.

        Raises:
            StoreError: The store cannot be read or written.
        """
        watch = _Watch(self._name, self._pace)
        while True:
            found = self._newest()
            if found is None:
                claimed = self._create(1)
            elif watch.is_over(found[1]):
                claimed = self._create(found[0] + 1)
            else:
                time.sleep(self._pace.poll_s)
                continue
            if claimed:
                self._lost.clear()
                return

    def ensure_held(self) -> bool:
        """Returns at once if the lease is still held; re-acquires it, waiting, if it was lost.

        Call it before each expensive piece of work.

        Returns:
            Whether it was lost, so that another worker may have done some of the work since.

        Raises:
            StoreError: The store cannot be read or written.
        """
        lost = self._lost.is_set()
        if lost:
            self.acquire()
        return lost

    def release(self) -> None:
        """Releases the lease. An error of the store is only logged: the lease expires anyway."""
        try:
            # Where the store decides who was first, nobody else has written this generation.
            if self._store.first_is_sure or self._wrote(self._generation):
                self._store.delete(self._key(self._generation))
        except StoreError as error:
            logger.warning("lease=%s not released, it expires by itself: %s", self._name, error)

    @contextmanager
    def heartbeat(self) -> Iterator[None]:
        """Rewrites the lease every few seconds during the block, in a thread."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(self._pace.heartbeat_s):
                self._beat()

        thread = threading.Thread(target=beat, name=f"lease {self._name}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()  # a heartbeat after the release would create the lease again

    def _beat(self) -> None:
        if self._lost.is_set():
            return
        try:
            if not self._is_mine():
                self._lost.set()
                logger.warning(
                    "lease=%s lost to another worker, which saw no heartbeat of this process. "
                    "Waiting before the next shard; the shards in flight may be computed twice.",
                    self._name,
                )
                return
            beats = self._holder.beats + 1
            self._holder = msgspec.structs.replace(
                self._holder, beats=beats, progress=latest_progress()
            )
            self._store.write(self._key(self._generation), to_json(self._holder))
        except JudgeLoopError as error:
            logger.warning("lease=%s missed a heartbeat: %s", self._name, error)

    def _create(self, generation: int) -> bool:
        """Tries to be the holder of a generation; if it is, removes the older ones."""
        created = self._store.create(self._key(generation), to_json(self._holder))
        self._generation = generation
        # Without conditional puts the answer may be wrong, and what it denies may have been done.
        if not (created and self._store.first_is_sure) and not self._wrote(generation):
            return False
        if generation > 1:
            for found, key in _generations(self._store, self._name):
                if found < generation:
                    self._store.delete(key)
        return True

    def _wrote(self, generation: int) -> bool:
        """Whether a generation belongs to this holder."""
        try:
            found = read_holder(self._store, self._key(generation))
        except MissingObjectError:
            return False
        return found.id == self._holder.id

    def _is_mine(self) -> bool:
        found = self._newest()
        return found is not None and found[1].id == self._holder.id

    def _newest(self) -> tuple[int, Holder] | None:
        for generation, key in reversed(_generations(self._store, self._name)):
            try:
                return generation, read_holder(self._store, key)
            except MissingObjectError:
                continue  # released since the listing
        return None

    def _key(self, generation: int) -> str:
        return f"{FOLDER}/{self._name}/{generation:05d}.json"


def _generations(store: Store, name: str) -> list[tuple[int, str]]:
    found = [(LEASE.fullmatch(key), key) for key in store.list(f"{FOLDER}/{name}")]
    return sorted((int(match["generation"]), key) for match, key in found if match)


class _Watch:
    """Watches another worker's lease on this process's own clock, and logs that it waits."""

    def __init__(self, name: str, pace: Pace) -> None:
        self._name = name
        self._pace = pace
        self._seen: Holder | None = None
        self._began = self._changed = time.monotonic()
        self._said = -math.inf
        self._asked = -math.inf

    def is_over(self, holder: Holder) -> bool:
        """Whether the holder is dead: its process is gone, or the lease has expired."""
        now = time.monotonic()
        if holder != self._seen:
            self._seen, self._changed = holder, now
        if holder.is_gone():
            logger.warning("lease=%s: %s has exited, taking over", self._name, holder)
            return True
        if holder.pod and now - self._asked >= self._pace.pod_s:
            self._asked = now
            if is_pod_gone(holder.pod):
                logger.warning("lease=%s: the pod of %s is gone, taking over", self._name, holder)
                return True
        if now - self._changed >= self._pace.expiry_s:
            silence = now - self._changed
            logger.warning(
                "lease=%s: no heartbeat of %s for %.0f s, taking over", self._name, holder, silence
            )
            return True
        if now - self._said >= self._pace.expiry_s:
            self._said = now
            logger.warning(
                "lease=%s is held by %s, waited %.0f s: waiting until it is released or has no "
                "heartbeat for %.0f s",
                *(self._name, holder, now - self._began, self._pace.expiry_s),
            )
        return False


def _machine() -> str:
    """Identifies this boot of the machine and this container's process table; empty off Linux."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink(_PROC / 'self/ns/pid')}"
    except OSError:
        return ""
