"""The ledger of a loop: one small JSON object for each finished or failed task.

It lies in the store below `loops/<loop id>/`. Content keys say whether work is done; the ledger
says which work belongs to this loop, how long it took and how it ended. The stop rule, the
promotion and the report read it.

What succeeded lies in `tasks/`, what failed in the run that is on in `failures/`, each under the
task's name: a failure hides the success that the task had before, and takes nothing from it.
"""

from __future__ import annotations

import difflib
import itertools
import json
import logging
import re
from contextlib import AbstractContextManager
from typing import Any

import msgspec

from judgeloop.runtime.decided import changed_paths, stages_decided_by
from judgeloop.runtime.lease import Lease, held
from judgeloop.runtime.stage_table import stage_spec
from judgeloop.schema.config import Config
from judgeloop.schema.errors import ConfigError
from judgeloop.schema.records import Manifest, Record, from_json, to_json
from judgeloop.store import MissingObjectError, Store

logger = logging.getLogger(__name__)

MARKER = "judgeloop.json"
"""Says that a store is ours: without it, nothing in it is ever removed."""
BASE_ITERATION = 0
"""The iteration number of everything done with the start model before any training."""
EVALUATION = "evaluation-"
"""Begins the id of an evaluation outside a loop, whose ledger lies beside those of the loops."""
AFTER_LOOP = 999
"""The iteration number of tasks after the loop, so that they sort last."""


class LoopTakenError(ConfigError):
    """A loop id stands for work that another configuration decides.

    Args:
        message: What has changed, and what to do.
        free_id: A loop id that is free.
    """

    def __init__(self, message: str, free_id: str) -> None:
        super().__init__(message)
        self.free_id = free_id


class Entry(Record, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """How one task of a loop ended; what a newer version adds is passed over."""

    stage: str
    iteration: int
    partition: int | None = None
    manifest: Manifest | None = None
    """None where the task failed."""
    error: str | None = None
    exit_code: int = 0
    """What the command line ends with: the error's own code, 0 where the task succeeded."""
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
        self.store = store
        self.loop_id = checked_loop_id(loop_id)
        self._prefix = f"loops/{loop_id}"

    def claim(self, config: Config) -> None:
        """Claims the loop id, or passes where the loop may go on with this configuration.

        Raises:
            LoopTakenError: What has changed since decides finished work of the loop.
        """
        self.store.create(MARKER, to_json({"written_by": "judgeloop", "format": 1}) + b"\n")
        if not self.store.create(f"{self._prefix}/loop.json", loop_identity(config)):
            self._changes(config)

    def held(self) -> AbstractContextManager[Lease]:
        """Keeps a second run of this loop waiting while the block runs."""
        return held(self.store, f"loop-{self.loop_id}")

    def begin(self, config: Config) -> None:
        """Claims the loop id and begins a run: what failed in an earlier one is forgotten.

        A configuration in which nothing has changed that decides finished work takes the place of
        the one before.

        Raises:
            LoopTakenError: What has changed since decides finished work of the loop.
        """
        self.claim(config)
        if changes := self._changes(config):
            self.store.write(f"{self._prefix}/loop.json", loop_identity(config))
            logger.info("loop=%s goes on with other values of %s", self.loop_id, ", ".join(changes))
        for key in self.store.list(f"{self._prefix}/failures"):
            self.store.delete(key)

    def cancel(self) -> None:
        """Notes that a person ends the loop's run: nothing goes on by itself after that."""
        self.store.write(self._cancelled, b"{}\n")

    def cancelled(self) -> bool:
        """Says whether a person has ended the loop's run since a person last started one."""
        return self.store.exists(self._cancelled)

    def allow(self) -> None:
        """Forgets a cancellation: a person starts the loop again."""
        self.store.delete(self._cancelled)

    def count_rerun(self, decided: int, most: int) -> int | None:
        """Counts a run that is started because the one before it was interrupted.

        Args:
            decided: The last decided iteration: a run that decides one more begins a new count.
            most: How many runs may follow without a new decision.

        Returns:
            The number of the run, from 1; None where there were `most` already.
        """
        for number in range(1, most + 1):
            if self.store.create(f"{self._prefix}/reruns/{decided:03d}-{number}.json", b"{}\n"):
                return number
        return None

    def check(self, config: Config) -> None:
        """Passes where the loop was begun with this configuration.

        Raises:
            ConfigError: It was never begun, or with another one; names the keys that differ.
        """
        mine = loop_identity(config)
        try:
            theirs = self.store.read(f"{self._prefix}/loop.json")
        except MissingObjectError:
            raise ConfigError(f"{self._name} was never begun: run it first") from None
        if theirs != mine:
            raise ConfigError(
                f"{self._name} was begun with another configuration "
                f"({_differences(theirs, mine)}). Use another loop id or the same configuration."
            )

    def _changes(self, config: Config) -> list[str]:
        """Returns the settings that differ from those of the loop's last run.

        Raises:
            LoopTakenError: One of them decides finished work.
        """
        place = f"{self._prefix}/loop.json"
        theirs = from_json(self.store.read(place), dict[str, Any], place)
        mine = from_json(loop_identity(config), dict[str, Any], place)
        changes = changed_paths(theirs, mine)
        done = {entry.stage for entry in self._read("tasks")} if changes else set()
        decided = {path: stages_decided_by(path) & done for path in changes}
        if any(decided.values()):
            free = self._free_id()
            what = "; ".join(
                f"{path} decides finished work of {', '.join(sorted(stages))}"
                for path, stages in decided.items()
                if stages
            )
            raise LoopTakenError(
                f"{self._name} was begun with another configuration: {what}. Use the values "
                f"before, or another loop id, such as {free}: what the change does not touch is "
                "found and not made again",
                free,
            )
        return changes

    def _free_id(self) -> str:
        """Returns a loop id that no loop of this store has."""
        taken = {key.split("/")[1] for key in self.store.list("loops")}
        stem = re.sub(r"-\d+$", "", self.loop_id)
        numbers = itertools.count(2)
        return next(name for n in numbers if (name := f"{stem}-{n}") not in taken)

    def record(self, entry: Entry) -> None:
        """Writes an entry. An earlier success with the same manifest stays, with its time.

        Raises:
            ConfigError: A task before the loop gave another result than this loop stands on:
                its later entries would be mixed with those of another start.
        """
        failure = f"{self._prefix}/failures/{entry.name}.json"
        if entry.manifest is None:
            self.store.write(failure, to_json(entry) + b"\n")
            return
        key = f"{self._prefix}/tasks/{entry.name}.json"
        if not self.store.create(key, to_json(entry) + b"\n"):
            earlier = from_json(self.store.read(key), Entry, key).manifest
            self._refuse_another_start(entry, earlier)
            if earlier != entry.manifest:
                self.store.write(key, to_json(entry) + b"\n")
        self.store.delete(failure)

    def entries(self) -> list[Entry]:
        """Returns how each task ended the last time, by iteration, stage and partition."""
        found = {entry.name: entry for entry in self._read("tasks")}
        found |= {entry.name: entry for entry in self.failures()}
        return [found[name] for name in sorted(found)]

    def failures(self) -> list[Entry]:
        """Returns the tasks that failed since the loop was last begun, in the same order."""
        return self._read("failures")

    def done(self) -> list[Manifest]:
        """Returns what every task that is done has made, whatever has failed since."""
        return [entry.manifest for entry in self._read("tasks") if entry.manifest]

    def manifests(self, stage: str) -> dict[int, list[Manifest]]:
        """Returns the manifests of a stage's finished tasks by iteration, partitions in order."""
        found: dict[int, list[Manifest]] = {}
        for entry in self._read("tasks", rf"\d+-{re.escape(stage)}(-p\d+)?"):
            if entry.manifest:
                found.setdefault(entry.iteration, []).append(entry.manifest)
        return found

    @property
    def evaluates(self) -> bool:
        """Whether this is an evaluation outside a loop."""
        return is_evaluation(self.loop_id)

    @property
    def _cancelled(self) -> str:
        return f"{self._prefix}/cancelled.json"

    @property
    def _name(self) -> str:
        return f"loop {self.loop_id!r} in {self.store.uri}"

    def _read(self, folder: str, name: str = ".*") -> list[Entry]:
        wanted = re.compile(rf".*/{name}\.json")
        keys = [k for k in self.store.list(f"{self._prefix}/{folder}") if wanted.fullmatch(k)]
        return [from_json(self.store.read(key), Entry, key) for key in keys]

    def _refuse_another_start(self, entry: Entry, earlier: Manifest | None) -> None:
        now = entry.manifest
        if entry.iteration != BASE_ITERATION or stage_spec(entry.stage).may_change:
            return
        if now is None or earlier is None or now.key == earlier.key:
            return
        before, after = (
            to_json(msgspec.structs.replace(manifest, key="", shards=()))
            for manifest in (earlier, now)
        )
        what = _differences(before, after) or "the content of the images or of the questions"
        raise ConfigError(
            f"{self._name} stands on another result of `{entry.stage}`: the model, the data, the "
            f"prompts or the software have changed since it was begun ({what}). Use another loop "
            "id; what the change does not touch is found and not made again."
        )


def is_evaluation(loop_id: str) -> bool:
    """Says whether an id is of an evaluation outside a loop."""
    return loop_id.startswith(EVALUATION)


def checked_loop_id(loop_id: str) -> str:
    """Returns a loop id that can be part of a key.

    Raises:
        ConfigError: It is empty or has other characters than letters, digits, `.`, `_` and `-`.
    """
    if not loop_id or not all(c.isalnum() or c in "._-" for c in loop_id):
        raise ConfigError(f"loop id {loop_id!r}: use letters, digits, '.', '_' and '-'")
    return loop_id


def loop_identity(config: Config) -> bytes:
    """Returns what stays the same under one loop id: all but where things lie and how they look."""
    tree = msgspec.to_builtins(config)
    del tree["store"], tree["report"]
    del tree["loop"]["iterations_per_run"], tree["loop"]["reruns"]  # how it is run, not what it is
    return to_json(tree) + b"\n"


def _differences(theirs: bytes, mine: bytes) -> str:
    before, after = (json.dumps(json.loads(t), indent=0).splitlines() for t in (theirs, mine))
    lines = [
        line
        for line in difflib.unified_diff(before, after, n=0, lineterm="")
        if line[0] in "+-" and line[:3] not in ("+++", "---")
    ]
    return "; ".join(lines[:6])
