"""Does a stage's work once, by one worker at a time."""

from __future__ import annotations

from collections.abc import Callable

from judgeloop.runtime.lease import Lease, clear, held
from judgeloop.schema.records import Manifest
from judgeloop.store import Store
from judgeloop.store.shards import finish, finished


def once(store: Store, stage: str, key: str, make: Callable[[Lease], Manifest]) -> Manifest:
    """Returns a stage's stored manifest; makes it where it is not there, one worker at a time.

    Who finds another at work waits, and then most likely finds the stage done.

    Args:
        store: Where everything lies.
        stage: The stage.
        key: Its content key.
        make: Does the work; long work calls `lease.keep()` now and then.

    Raises:
        DataError, StoreError: The stored manifest cannot be read or has another schema.
    """
    name = f"{stage}-{key}"
    if done := finished(store, stage, key):
        clear(store, name)
        return done
    with held(store, name) as lease:
        return finished(store, stage, key) or finish(store, make(lease))
