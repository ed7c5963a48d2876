"""The ledger of a loop: one small JSON object for each finished or failed task.

It lies in the store below `loops/<loop id>/`. Content keys say whether work is done; the ledger
says which work belongs to this loop, how long it took and how it ended. The stop rule, the
promotion and the report read it.
"""

from __future__ import annotations

import difflib
import json

import msgspec

from judgeloop.config import Config
from judgeloop.errors import ConfigError
from judgeloop.records import Manifest, Record, from_json, to_json
from judgeloop.store import Store

BASE_ITERATION = 0
"""The iteration number of everything done with the start model before any training."""
AFTER_LOOP = 999
"""The iteration number of tasks after the loop, so that they sort last."""


class Entry(Record, frozen=True, kw_only=True):
    """How one task of a loop ended."""

    stage: str
    iteration: int
    partition: int | None = None
    manifest: Manifest | None = None
    """None where the task failed."""
    error: str | None = None
    seconds: float = 0.0
    """Wall time of the run that did the work; later runs that found it done don't count."""
    started_at: str = ""
    """UTC, ISO 8601."""

    @property
    def name(self) -> str:
        """Returns the task's name within its loop, sortable."""
        tail = "" if self.partition is None else f"-p{self.partition:03d}"
        return f"{self.iteration:03d}-{self.stage}{tail}"


class Ledger:
    """Reads and writes the entries of one loop.

    Args:
        store: The loop's store.
        loop_id: Letters, digits, `.`, `_` and `-`.
    """

    def __init__(self, store: Store, loop_id: str) -> None:
        if not loop_id or not all(c.isalnum() or c in "._-" for c in loop_id):
            raise ConfigError(f"loop id {loop_id!r}: use letters, digits, '.', '_' and '-'")
        self._store = store
        self.loop_id = loop_id
        self._prefix = f"loops/{loop_id}"

    def begin(self, config: Config) -> None:
        """Claims the loop id for this configuration, or goes on with the same one.

        Raises:
            ConfigError: The id is taken by another configuration; names the keys that differ.
        """
        mine = _identity(config)
        key = f"{self._prefix}/loop.json"
        if self._store.create(key, mine):
            return
        theirs = self._store.read(key)
        if theirs != mine:
            raise ConfigError(
                f"loop {self.loop_id!r} in {self._store.uri} was begun with another configuration "
                f"({_differences(theirs, mine)}). Use another loop id or the same configuration."
            )

    def belongs_to(self, config: Config) -> bool:
        """Says whether the loop was begun with this configuration."""
        key = f"{self._prefix}/loop.json"
        return self._store.exists(key) and self._store.read(key) == _identity(config)

    def record(self, entry: Entry) -> None:
        """Writes an entry. An earlier success with the same manifest stays, with its time."""
        key = f"{self._prefix}/tasks/{entry.name}.json"
        if entry.manifest and self._store.exists(key):
            earlier = from_json(self._store.read(key), Entry, key)
            if earlier.manifest == entry.manifest:
                return
        self._store.write(key, to_json(entry) + b"\n")

    def entries(self) -> list[Entry]:
        """Returns all entries, by iteration, stage and partition."""
        keys = self._store.list(f"{self._prefix}/tasks")
        return [from_json(self._store.read(key), Entry, key) for key in keys]

    def manifests(self, stage: str) -> dict[int, list[Manifest]]:
        """Returns the manifests of a stage's finished tasks by iteration, partitions in order."""
        found: dict[int, list[Manifest]] = {}
        for entry in self.entries():
            if entry.stage == stage and entry.manifest:
                found.setdefault(entry.iteration, []).append(entry.manifest)
        return found


def _identity(config: Config) -> bytes:
    """What must stay the same under one loop id: all but where things lie and how they look."""
    tree = msgspec.to_builtins(config)
    del tree["store"], tree["report"]
    return to_json(tree) + b"\n"


def _differences(theirs: bytes, mine: bytes) -> str:
    before, after = (json.dumps(json.loads(t), indent=0).splitlines() for t in (theirs, mine))
    lines = [
        line
        for line in difflib.unified_diff(before, after, n=0, lineterm="")
        if line[0] in "+-" and line[:3] not in ("+++", "---")
    ]
    return "; ".join(lines[:6])
