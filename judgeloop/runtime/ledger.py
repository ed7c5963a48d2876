"""The ledger of a loop: one small JSON object for each finished or failed task.

It is stored below `loops/<loop id>/`. Content keys say whether work is done; the ledger records
which work belongs to this loop, how long it took and how it ended. The stop rule, promotion and the
report read it.

Successes are stored in `tasks/`, failures of the current run in `failures/`, each under the task's
name. A failure hides an earlier success of the task but does not delete it.
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

from judgeloop.runtime.decided import changed_paths, stages_decided_anew
from judgeloop.runtime.lease import Lease, held
from judgeloop.runtime.stage_table import STAGES, stage_spec
from judgeloop.schema.config import Config
from judgeloop.schema.errors import ConfigError, DataError
from judgeloop.schema.records import Manifest, Record, from_json, to_json
from judgeloop.store import MissingObjectError, Store

logger = logging.getLogger(__name__)

MARKER = "judgeloop.json"
"""Marks a store as judgeloop's: without it, `clean` removes nothing."""
_WRITER = "judgeloop"
BASE_ITERATION = 0
"""The iteration number of everything done with the start model before any training."""
EVALUATION = "evaluation-"
"""Prefix of the id of an evaluation outside a loop, whose ledger is stored beside those of
loops."""
AFTER_LOOP = -1
"""The iteration number of tasks after the loop, whose names begin with `end`."""

_NAME = re.compile(r"(?P<head>end|\d+)-(?P<stage>.+?)(-p\d+)?\.json")
"""Name of an entry's object, see `Entry.name`."""


class LoopTakenError(ConfigError):
    """The loop id belongs to another configuration.

    Args:
        message: What has changed, and what to do.
        free_id: A loop id that is not in use.
    """

    def __init__(self, message: str, free_id: str) -> None:
        super().__init__(message)
        self.free_id = free_id


class Entry(Record, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """How one task of a loop ended; fields that a newer version adds are ignored."""

    stage: str
    iteration: int
    partition: int | None = None
    manifest: Manifest | None = None
    """None if the task failed."""
    error: str | None = None
    exit_code: int = 0
    """Exit code of the command line: that of the error, or 0 if the task succeeded."""
    seconds: float = 0.0
    """Wall time of the run that did the work; later runs that found it done don't count."""
    started_at: str = ""
    """UTC, ISO 8601."""
    gpu_seconds: float = 0.0
    """GPUs that the task held, times the seconds that it held them; counted like `seconds`."""
    generated: int = 0
    """Tokens that its engine generated; counted like `seconds`."""
    machine: str = ""
    """Description of its machine."""

    @property
    def name(self) -> str:
        """The task's name within its loop, such as `001-judge-p000` or `end-promote`."""
        head = "end" if self.iteration == AFTER_LOOP else f"{self.iteration:03d}"
        tail = "" if self.partition is None else f"-p{self.partition:03d}"
        return f"{head}-{self.stage}{tail}"

    @property
    def rank(self) -> tuple[bool, int, str]:
        """Sorts a loop's tasks: by iteration, those after the loop last, then by name."""
        return self.iteration == AFTER_LOOP, self.iteration, self.name


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
        """Claims the loop id; a loop that may continue with this configuration is accepted.

        Raises:
            LoopTakenError: What has changed since affects finished work of the loop.
        """
        self.store.create(MARKER, to_json({"written_by": _WRITER, "format": 1}) + b"\n")
        if not self.store.create(f"{self._prefix}/loop.json", loop_identity(config)):
            self._changes(config)

    def held(self) -> AbstractContextManager[Lease]:
        """Holds the loop's lease during the block; a second run of the loop waits."""
        return held(self.store, f"loop-{self.loop_id}")

    def begin(self, config: Config) -> None:
        """Claims the loop id and starts a run; deletes the failures of the run before.

        The configuration replaces the earlier one if no change affects finished work.

        Raises:
            LoopTakenError: What has changed since affects finished work of the loop.
        """
        self.claim(config)
        if changes := self._changes(config):
            self.store.write(f"{self._prefix}/loop.json", loop_identity(config))
            logger.info(
                "loop=%s resumes with changed values of %s", self.loop_id, ", ".join(changes)
            )
        for key in self.store.list(f"{self._prefix}/failures"):
            self.store.delete(key)

    def cancel(self) -> None:
        """Records a cancellation: no further run is started until a person submits the loop."""
        self.store.write(self._cancelled, b"{}\n")

    def cancelled(self) -> bool:
        """Returns whether the loop's last run was cancelled by a person."""
        return self.store.exists(self._cancelled)

    def allow(self) -> None:
        """Deletes the record of a cancellation, when a person starts the loop again."""
        self.store.delete(self._cancelled)

    def count_rerun(self, decided: int, most: int) -> int | None:
        """Counts an automatic rerun after an interrupted run.

        Args:
            decided: The last decided iteration; a further decision resets the count.
            most: Maximum number of reruns without a new decision.

        Returns:
            The number of the run, from 1; None if there were `most` already.
        """
        for number in range(1, most + 1):
            if self.store.create(f"{self._prefix}/reruns/{decided:03d}-{number}.json", b"{}\n"):
                return number
        return None

    def check(self, config: Config) -> None:
        """Checks that the loop was started with this configuration.

        Raises:
            ConfigError: It was never started, or with another one; names the keys that differ.
        """
        mine = loop_identity(config)
        try:
            theirs = self.store.read(f"{self._prefix}/loop.json")
        except MissingObjectError:
            raise ConfigError(f"{self._name} was never started: run it first") from None
        if theirs != mine:
            raise ConfigError(
                f"{self._name} was started with another configuration "
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
        done = {stage for _, stage in self.succeeded()} if changes else set()
        decided = {path: stages_decided_anew(path, theirs, mine) & done for path in changes}
        if any(decided.values()):
            free = self._free_id()
            what = "; ".join(
                f"{path} affects finished work of {', '.join(sorted(stages))}"
                for path, stages in decided.items()
                if stages
            )
            raise LoopTakenError(
                f"{self._name} was started with another configuration: {what}. Use the values "
                f"before, or another loop id, such as {free}: unaffected work is reused",
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
        """Writes an entry. An earlier success with the same manifest is kept, with its time.

        Raises:
            ConfigError: A task before the first iteration has another result than when the loop
                was started, so later entries would mix two starts.
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
        """Returns the last outcome of each task, by iteration, stage and partition."""
        found = {entry.name: entry for entry in self._read("tasks")}
        found |= {entry.name: entry for entry in self.failures()}
        return sorted(found.values(), key=lambda entry: entry.rank)

    def succeeded(self) -> list[tuple[int, str]]:
        """Returns iteration and stage of each successful task, including those that failed later.

        They are known by the entries' names, so no entry is read.
        """
        keys = self.store.list(f"{self._prefix}/tasks")
        names = (_NAME.fullmatch(key.rpartition("/")[2]) for key in keys)
        return [
            (AFTER_LOOP if name["head"] == "end" else int(name["head"]), name["stage"])
            for name in names
            if name
        ]

    def failures(self) -> list[Entry]:
        """Returns the failures of the current run, in the same order."""
        return self._read("failures")

    def done(self) -> list[Manifest]:
        """Returns the manifests of all successful tasks, including those that failed later."""
        return [entry.manifest for entry in self._read("tasks") if entry.manifest]

    def manifests(self, stage: str) -> dict[int, list[Manifest]]:
        """Returns the manifests of a stage's finished tasks by iteration, partitions in order."""
        found: dict[int, list[Manifest]] = {}
        for entry in self._read("tasks", rf"(\d+|end)-{re.escape(stage)}(-p\d+)?"):
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
        return sorted((_entry(self.store.read(key), key) for key in keys), key=lambda it: it.rank)

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
            f"{self._name} was started with another result of `{entry.stage}`: the model, the "
            f"data, the prompts or the software have changed since ({what}). Use another loop id; "
            "unaffected work is reused."
        )


def _entry(data: bytes, place: str) -> Entry:
    """Reads an entry; of a stage that only a newer version has, without its result."""
    try:
        return from_json(data, Entry, place)
    except DataError:
        tree = from_json(data, dict[str, Any], place)
        known = any(spec.name == tree.get("stage") for spec in STAGES)
        if known or not isinstance(tree.get("manifest"), dict):
            raise
        tree["manifest"].pop("result", None)
        return from_json(to_json(tree), Entry, place)


def is_marked(store: Store) -> bool:
    """Returns whether a store has our marker: a file of its name may be anybody's.

    Raises:
        StoreError: The store cannot be read.
    """
    try:
        found = from_json(store.read(MARKER), dict[str, Any], MARKER)
    except (MissingObjectError, DataError):
        return False
    return found.get("written_by") == _WRITER


def is_evaluation(loop_id: str) -> bool:
    """Returns whether an id is of an evaluation outside a loop."""
    return loop_id.startswith(EVALUATION)


def is_loop_id(name: str) -> bool:
    """Returns whether `checked_loop_id` would take a name."""
    return bool(name.strip(".")) and all(c.isalnum() or c in "._-" for c in name)


def kind_of(loop_id: str) -> str:
    """Returns what an id is of, in a word: `loop` or `evaluation`."""
    return "evaluation" if is_evaluation(loop_id) else "loop"


def checked_loop_id(loop_id: str) -> str:
    """Returns a loop id that can be part of a key.

    Raises:
        ConfigError: It is empty, has dots alone, or other characters than letters, digits, `.`, `_`
            and `-`.
    """
    if not is_loop_id(loop_id):
        raise ConfigError(f"loop id {loop_id!r}: use letters, digits, '.', '_' and '-'")
    return loop_id


def loop_identity(config: Config) -> bytes:
    """Returns the configuration that identifies a loop: all but the store, report and run sizes."""
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
