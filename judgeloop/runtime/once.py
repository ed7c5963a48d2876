"""Runs a stage's work once, one worker at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from judgeloop.runtime.lease import Lease, clear, held
from judgeloop.schema.records import Manifest
from judgeloop.store import Store
from judgeloop.store.shards import finish, finished, manifest_key, stored_keys


class Turn(NamedTuple):
    """A worker's turn at a stage's work."""

    lease: Lease
    """Long work calls its `ensure_held` between parts."""
    stored: frozenset[str]
    """Keys that earlier workers have stored."""


def once(store: Store, stage: str, key: str, make: Callable[[Turn], Manifest]) -> Manifest:
    """Returns a stage's stored manifest, or does the work and stores it.

    If another worker holds the lease, waits, and then usually finds the stored manifest.

    Args:
        store: The store.
        stage: The stage.
        key: Its content key.
        make: Function that does the work.

    Raises:
        DataError, StoreError: The stored manifest cannot be read or has another schema version.
    """
    name = f"{stage}-{key}"
    if done := finished(store, stage, key):
        clear(store, name)
        return done
    with held(store, name) as lease:
        # One listing shows whether another worker was faster, and which shards are stored.
        stored = stored_keys(store, stage, key)
        done = finished(store, stage, key) if manifest_key(stage, key) in stored else None
        return done or finish(store, make(Turn(lease, stored)))
