"""Finds the active workers in a store: leases whose holders are alive."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from judgeloop.runtime.lease import FOLDER, LEASE, PACE, Holder, read_holder
from judgeloop.store import MissingObjectError, Store

_LOOP = "loop-"


class Worker(NamedTuple):
    """A process that holds a lease and is not known to be dead."""

    work: str
    """What it works on: `loop-<loop id>`, or `<stage>-<content key>`."""
    holder: Holder

    @property
    def loop_id(self) -> str | None:
        """The loop whose lease a local run holds; None for a stage."""
        return self.work.removeprefix(_LOOP) if self.work.startswith(_LOOP) else None

    @property
    def folder(self) -> str:
        """The store's folder that a stage's worker writes to, such as `judge/3f2a...`."""
        stage, _, key = self.work.rpartition("-")
        return f"{stage}/{key}"


def find_workers(
    store: Store,
    patience_s: float = PACE.expiry_s,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Worker]:
    """Returns the active workers, sorted by work.

    Whether a process of this machine lives is seen at once. One of another machine is watched until
    its heartbeat is seen; if none comes within the patience, it counts as dead.

    Args:
        store: The store.
        patience_s: Seconds to wait for a heartbeat; leases expire after `Pace.expiry_s`, less is a
            guess.
        sleep: Sleeps for some seconds.

    Raises:
        StoreError: The store cannot be read.
    """
    first = _read(store)
    alive = {key for key, holder in first.items() if holder.is_here()}
    waited = 0.0
    latest = first
    while waited < patience_s and set(latest) - alive:
        sleep(PACE.poll_s)
        waited += PACE.poll_s
        latest = _read(store)
        alive |= {key for key, holder in latest.items() if first.get(key) != holder}
    return [
        Worker(match["name"], holder)
        for key, holder in sorted(latest.items())
        if key in alive and (match := LEASE.fullmatch(key))
    ]


def tasks_at_work(store: Store) -> Iterator[tuple[str, str]]:
    """Yields the ledger's name of each task with a held lease, and its progress.

    Holders are not checked: a killed task is shown until its lease is taken over.

    Raises:
        StoreError: The store cannot be read.
    """
    for _, holder in sorted(_read(store).items()):
        if holder.progress:
            yield holder.progress.step.task.replace("/", "-"), str(holder.progress)


def _read(store: Store) -> dict[str, Holder]:
    """Returns the holders by key, except for those that are known to be dead."""
    found = {}
    for key in filter(LEASE.fullmatch, store.list(FOLDER)):
        try:
            holder = read_holder(store, key)
        except MissingObjectError:
            continue  # released since the listing
        if not holder.is_gone():
            found[key] = holder
    return found
