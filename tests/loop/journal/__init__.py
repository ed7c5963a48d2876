"""What the attempts of a loop did, read from what its processes wrote while they did it.

`sitecustomize.py`, beside this, makes them write.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from judgeloop.store import Store, open_store
from tests.loop.micro import LOOP_ID

_BEGUN = re.compile(r"(\d+) shard started name=(\S+)")
_ENGINE = re.compile(r"(\d+) engine started")


class Attempt(NamedTuple):
    """One start of a loop."""

    out: Path
    journal: Path
    done: frozenset[str]
    """Stages, as `<stage>/<key>`, that were done when it began."""
    stored: frozenset[str]
    """Keys of the shards that were there when it began."""
    tasks: int
    """Tasks in the ledger when it began."""

    def new_tasks(self) -> int:
        """Tasks that have ended since."""
        return _tasks(self.out) - self.tasks

    def begun(self, stage: str = "") -> int:
        """Shards that it has begun of a stage, or of all."""
        return self.journal.read_text().count(f"shard started name={stage}")

    def has_trained(self, iteration: int) -> bool:
        """Whether the training of an iteration has made its first step."""
        progress = self.out / "progress.jsonl"
        wanted = f'"task":"{iteration:03d}/train","done":1'
        return progress.is_file() and wanted in progress.read_text()


class Counts(NamedTuple):
    """What the attempts of one loop did."""

    shards: int
    """Shards that the loop began."""
    repeated: int
    """How often one was begun that had been begun before."""
    most_repeated: int
    """Of one partition of one stage in one restart."""
    stored_again: int
    """Shards begun though they were there."""
    engines: int
    engines_of_done_stages: int


def new_attempt(out: Path, number: int, store: Store | None = None) -> Attempt:
    """Notes what is there before a loop is started for the so-manieth time.

    Args:
        out: Folder of the journals and of the store, if that is not given.
        number: Counts the starts.
        store: Where the loop lies.
    """
    store = store or open_store(str(out / "store"))
    keys = store.list("")
    journal = out / f"journal-{number:02d}.log"
    journal.touch()
    return Attempt(
        out=out,
        journal=journal,
        done=frozenset(_stage(key) for key in keys if key.endswith("/manifest.json")),
        stored=frozenset(key for key in keys if key.endswith(".jsonl")),
        tasks=_tasks(out),
    )


def _tasks(out: Path) -> int:
    folder = out / "store" / "loops" / LOOP_ID / "tasks"
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def count(attempts: list[Attempt]) -> Counts:
    """Reads the journals of a loop's attempts, in their order."""
    before: set[str] = set()
    repeated: Counter[tuple[int, str]] = Counter()
    stored_again = engines = engines_of_done_stages = 0
    for number, attempt in enumerate(attempts):
        begun: set[str] = set()
        stage_of: dict[str, str] = {}
        for line in attempt.journal.read_text().splitlines():
            if match := _BEGUN.match(line):
                process, shard = match.groups()
                stage_of[process] = _stage(shard)
                repeated[number, _stage(shard)] += shard in before or shard in begun
                stored_again += shard in attempt.stored
                begun.add(shard)
            elif match := _ENGINE.match(line):
                engines += 1
                engines_of_done_stages += stage_of.get(match[1], "none") in {*attempt.done, "none"}
        before |= begun
    return Counts(
        shards=len(before),
        repeated=repeated.total(),
        most_repeated=max(repeated.values(), default=0),
        stored_again=stored_again,
        engines=engines,
        engines_of_done_stages=engines_of_done_stages,
    )


def _stage(shard: str) -> str:
    return shard.rpartition("/")[0]


def environment(attempt: Attempt) -> dict[str, str]:
    """What an attempt must have in its environment to keep its journal."""
    paths = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"SOAK_JOURNAL": str(attempt.journal), "PYTHONPATH": os.pathsep.join(paths)}
