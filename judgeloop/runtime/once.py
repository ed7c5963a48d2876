"""Runs a stage's work once, one worker at a time."""

from __future__ import annotations

from collections.abc import Callable

from judgeloop.runtime.lease import Lease, clear, held
from judgeloop.schema.records import Manifest
from judgeloop.store import Store
from judgeloop.store.shards import finish, finished


def once(store: Store, stage: str, key: str, make: Callable[[Lease], Manifest]) -> Manifest:
    """Returns a stage's stored manifest, or does the work and stores it.

    If another worker holds the lease, waits, and then usually finds the stored manifest.

    Args:
        store: The store.
        stage: The stage.
        key: Its content key.
        make: Does the work; long work calls `lease.ensure_held()` between its parts.

    Raises:
        DataError, StoreError: The stored manifest cannot be read or has another schema version.
    """
    name = f"{stage}-{key}"
    if done := finished(store, stage, key):
        clear(store, name)
        return done
    with held(store, name) as lease:
        return finished(store, stage, key) or finish(store, make(lease))
