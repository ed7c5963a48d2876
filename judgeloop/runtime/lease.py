"""A lease on a piece of work: of two that want to do the same, one works and the other waits.

**Nothing depends on it but the bill.** The first writer of a shard wins with or without a lease, so
two workers at one key end with the same bytes; a lease only saves doing the work twice. Two may
hold one lease for a while: one whose machine slept, and one who took it for dead meanwhile.

A lease is an object in the store, `leases/<name>/<generation>.json`, which its holder rewrites
every few seconds: its heartbeat. Taking over from a dead holder means creating the *next*
generation, and a store lets one alone create an object, so of several that wait one wins. Where an
endpoint has no conditional put, two may both believe that; there each looks again after creating,
and at every heartbeat, and the one who finds another's name waits from its next `keep` on.

A holder is dead when its process is gone, which can be seen on the same machine, and then the lease
is taken at once; or when its pod is gone or has ended, which Kubernetes tells within seconds where
the account may read pods (`judgeloop.runtime.holder_pod`). Elsewhere it is dead when the object has
not changed for a minute by the clock of the one who waits: no two machines' clocks are compared.
"""

from __future__ import annotations

import logging
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
from judgeloop.runtime.progress import Standing, standing
from judgeloop.schema.errors import DataError, JudgeLoopError, StoreError
from judgeloop.schema.records import Record, from_json, to_json
from judgeloop.store import MissingObjectError, Store, sha256_bytes
from judgeloop.store.scratch import born

logger = logging.getLogger(__name__)

FOLDER = "leases"
LEASE = re.compile(rf"{FOLDER}/(?P<name>[^/]+)/(?P<generation>\d{{1,9}})\.json")
"""A lease's key."""
_PROC = Path("/proc")


class Pace(NamedTuple):
    """How often is looked; seconds."""

    heartbeat_s: float = 10.0
    """The holder rewrites its lease so often."""
    expiry_s: float = 60.0
    """A lease that did not change for so long has lost its holder: several heartbeats, for a store
    may be slow or away for some of them."""
    poll_s: float = 1.0
    """Who waits looks so often."""
    pod_s: float = 5.0
    """Who waits asks Kubernetes for the holder's pod so often."""


PACE = Pace()


class Holder(Record, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """What a lease says: who works, and how often it has said so.

    What a newer version adds is passed over.
    """

    id: str
    """Of this very attempt."""
    host: str
    pid: int
    machine: str
    """Names the process table in which `pid` stands: those who share it can see it die."""
    born: str
    """When the process began, in ticks of that machine; a number is given out again, this isn't."""
    pod: str = ""
    """Of Kubernetes, where it is in one (`judgeloop.runtime.holder_pod`)."""
    since: str
    """UTC of the holder's clock, for people to read: nothing is computed from it."""
    beats: int = 0
    progress: Standing | None = None
    """How far its work is, for people to read."""

    def is_gone(self) -> bool:
        """Says whether the process is known to be dead; False also where nobody here can know."""
        return self.machine == _machine() != "" and born(self.pid) != self.born

    def is_here(self) -> bool:
        """Says whether the process is known to live, as a process of this very machine can be."""
        return self.machine == _machine() != "" and born(self.pid) == self.born

    def __str__(self) -> str:
        """Names the process for a log line."""
        return f"process {self.pid} on {self.host} (since {self.since})"


def read_holder(store: Store, key: str) -> Holder:
    """Reads a lease.

    One that cannot be read stands for a holder of whom nothing is known: it is dead when the object
    has not changed for long enough.

    Raises:
        MissingObjectError: It was released.
        StoreError: The store cannot be read.
    """
    data = store.read(key)
    try:
        return from_json(data, Holder, key)
    except DataError:
        digest = sha256_bytes(data)
        return Holder(id=digest, host="an unknown machine", pid=0, machine="", born="", since="?")


def this_process() -> Holder:
    """Returns a new holder that stands for this process."""
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
    """Holds a lease for a block of work; waits first for who holds it now.

    Args:
        store: Shared by all who may want the same.
        name: What is worked on; letters, digits, `.`, `_` and `-`.
        pace: How often is looked.

    Raises:
        StoreError: The store cannot be read or written.
    """
    lease = Lease(store, name, pace)
    lease.take()
    try:
        with lease.heartbeat():
            yield lease
    finally:
        lease.release()


def clear(store: Store, name: str) -> None:
    """Removes what is left of a lease whose work is done.

    A worker that was killed between its last write and its release leaves it. A store that fails is
    no error: a lease of finished work keeps nobody from anything.
    """
    try:
        for _, key in _generations(store, name):
            store.delete(key)
    except StoreError as error:
        logger.warning("lease=%s of finished work not removed: %s", name, error)


class Lease:
    """One worker's claim to a name; `held` makes and ends it.

    Args:
        store: Shared by all who may want the same.
        name: What is worked on.
        pace: How often is looked.
    """

    def __init__(self, store: Store, name: str, pace: Pace) -> None:
        self._store = store
        self._name = name
        self._pace = pace
        self._holder = this_process()
        self._generation = 0
        self._lost = threading.Event()

    def take(self) -> None:
        """Waits until the lease is free or its holder is dead, and takes it.

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

    def keep(self) -> None:
        """Passes where the lease is still held; where another has taken it, waits like anyone.

        To be called before each piece of work that would be a pity to do twice.

        Raises:
            StoreError: The store cannot be read or written.
        """
        if self._lost.is_set():
            self.take()

    def release(self) -> None:
        """Gives the lease up; a store that fails is no error, for the others need not be told."""
        try:
            if self._wrote(self._generation):
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
            thread.join()  # a beat after the release would hold what nobody holds

    def _beat(self) -> None:
        if self._lost.is_set():
            return
        try:
            if not self._is_mine():
                self._lost.set()
                logger.warning(
                    "lease=%s was taken by another: this process was taken for dead. It waits "
                    "before its next shard; at worst its shards in flight are made twice.",
                    self._name,
                )
                return
            beats = self._holder.beats + 1
            self._holder = msgspec.structs.replace(self._holder, beats=beats, progress=standing())
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
        """Says whether a generation is this holder's."""
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
                continue  # it was released since the listing
        return None

    def _key(self, generation: int) -> str:
        return f"{FOLDER}/{self._name}/{generation:05d}.json"


def _generations(store: Store, name: str) -> list[tuple[int, str]]:
    found = [(LEASE.fullmatch(key), key) for key in store.list(f"{FOLDER}/{name}")]
    return sorted((int(match["generation"]), key) for match, key in found if match)


class _Watch:
    """Watches another's lease by this process's own clock, and says so in the log."""

    def __init__(self, name: str, pace: Pace) -> None:
        self._name = name
        self._pace = pace
        self._seen: Holder | None = None
        self._began = self._changed = time.monotonic()
        self._said = float("-inf")
        self._asked = float("-inf")

    def is_over(self, holder: Holder) -> bool:
        """Says whether the holder is dead: gone, or silent for too long."""
        now = time.monotonic()
        if holder != self._seen:
            self._seen, self._changed = holder, now
        if holder.is_gone():
            logger.warning("lease=%s: %s is gone, taking over", self._name, holder)
            return True
        if holder.pod and now - self._asked >= self._pace.pod_s:
            self._asked = now
            if is_pod_gone(holder.pod):
                logger.warning("lease=%s: the pod of %s is gone, taking over", self._name, holder)
                return True
        if now - self._changed >= self._pace.expiry_s:
            silence = now - self._changed
            logger.warning(
                "lease=%s: %s was silent for %.0f s, taking over", self._name, holder, silence
            )
            return True
        if now - self._said >= self._pace.expiry_s:
            self._said = now
            logger.warning(
                "lease=%s is held by %s, waited %.0f s: the same work is done once only; going on "
                "when that has ended, or has been silent for %.0f s",
                *(self._name, holder, now - self._began, self._pace.expiry_s),
            )
        return False


def _machine() -> str:
    """Names this boot of this machine and this container's process table; empty off Linux."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink(_PROC / 'self/ns/pid')}"
    except OSError:
        return ""
