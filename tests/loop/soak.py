"""Kills loops at random moments and counts what it cost.

`make soak` does it on S3 with much else that goes wrong: `tests/loop/campaign.py`.

A loop is started, killed, started again with the same loop id, killed again, ... until an attempt
is quicker than its killer; so one loop takes several kills. Then it must be what an unbroken loop
is. Three kinds of kill: everything at once; the parent alone, whose pipeline must notice and end;
and the parent with its pipeline, whose tasks then live on as orphans beside the next attempt.

What was repeated is read from the journal that `tests/loop/journal` lets each process write: a
shard that was begun again, and an engine that was started for a stage whose manifest was there.
"""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

from judgeloop.registry.tracking import IDENTITY_TAG
from judgeloop.store import open_store
from tests.loop.journal import Attempt, Counts, count, environment, new_attempt
from tests.loop.micro import REPOSITORY, Run, command, kill, tree_of, without_registry

CHANGES = ("loop.partitions=2", "data.shard_size=5")
"""Some 130 shards in a loop, in two partitions that run at the same time."""
IN_FLIGHT = 3
"""`engine.shards_in_flight` of the presets: what a restart may repeat of a partition at most."""
MOST_SHARDS, MOST_TASKS, LONGEST_LAG_S = 40, 6, 2.0
"""Bounds of the draw: an attempt dies after so many shards, or tasks and then seconds."""
LONGEST_RUN_S = 600
_ORPHAN_END_S = 60


class Mode(StrEnum):
    """What is killed with SIGKILL."""

    ALL = "everything"
    PARENT = "the parent"
    PIPELINE = "parent and pipeline"
    """Its tasks live on."""


class Moment(NamedTuple):
    """When an attempt is killed, if it has not ended before."""

    is_reached: Callable[[Attempt], bool]
    lag_s: float = 0.0


class Soaked(NamedTuple):
    """A loop that was killed until it got through."""

    run: Run
    kills: list[Mode]
    counts: Counts


def soak(
    out: Path,
    moments: Iterable[Moment],
    modes: Iterable[Mode],
    *,
    preset: str = "micro",
    changes: tuple[str, ...] = CHANGES,
) -> Soaked:
    """Starts one loop again and again and kills it at each of the moments; then lets it end.

    Args:
        out: The run's folder.
        moments: Of the first attempt, the second, ...; an attempt that ends before it is the last.
        modes: What is killed then.
        preset: Name of the configuration.
        changes: `section.key=value` changes of it.
    """
    out.mkdir()
    attempts: list[Attempt] = []
    killed: list[Mode] = []
    for moment, mode in zip(moments, modes, strict=False):
        attempts.append(new_attempt(out, len(attempts)))
        child = _start(attempts[-1], preset, changes)
        if not _wait(child, attempts[-1], moment):
            break
        kill_run(child, mode)
        killed.append(mode)
    else:
        attempts.append(new_attempt(out, len(attempts)))
        child = _start(attempts[-1], preset, changes)
    child.wait(LONGEST_RUN_S)
    wait_for_orphans(out)
    printed = (out / "printed.txt").read_text()
    run = Run(out, child.returncode, printed, open_store(str(out / "store")))
    return Soaked(run, killed, count(attempts))


def random_moments(rng: random.Random) -> Iterator[Moment]:
    """Draws without end: in the middle of shards, or somewhere after a task."""
    while True:
        if rng.random() < 0.5:
            shards = rng.randint(1, MOST_SHARDS)
            yield Moment(lambda attempt, n=shards: attempt.begun() >= n)
        else:
            tasks, lag = rng.randint(0, MOST_TASKS), rng.uniform(0, LONGEST_LAG_S)
            yield Moment(lambda attempt, n=tasks: attempt.new_tasks() >= n, lag)


def registry(out: Path) -> dict[str, Any]:
    """Everything in the MLflow of a run's folder that is no id, no time and no place."""
    from mlflow import MlflowClient

    uri = f"sqlite:///{out}/mlflow/mlflow.db"
    client = MlflowClient(uri, uri)
    models = {
        model.name: {
            "aliases": {alias: str(version) for alias, version in model.aliases.items()},
            "versions": {
                str(version.version): dict(version.tags)
                for version in client.search_model_versions(f"name='{model.name}'")
            },
        }
        for model in client.search_registered_models()
    }
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = [
        {
            "tags": {
                k: v
                for k, v in run.data.tags.items()
                if k.startswith("judgeloop") and k != IDENTITY_TAG
            },
            "metrics": run.data.metrics,
            "params": {k: v for k, v in run.data.params.items() if k != "store"},
        }
        for run in client.search_runs(experiments)
    ]
    return {"models": models, "runs": sorted(runs, key=lambda run: json.dumps(run["tags"]))}


def _start(attempt: Attempt, preset: str, changes: tuple[str, ...]) -> subprocess.Popen[bytes]:
    with (attempt.out / "printed.txt").open("wb") as printed:
        return subprocess.Popen(
            command(attempt.out, *changes, preset=preset), cwd=REPOSITORY, stdout=printed,
            stderr=subprocess.STDOUT, start_new_session=True,
            env=without_registry() | environment(attempt),
        )  # fmt: skip


def _wait(child: subprocess.Popen[bytes], attempt: Attempt, moment: Moment) -> bool:
    """Waits for a moment; False where the loop ended before it."""
    deadline = time.monotonic() + LONGEST_RUN_S
    while not moment.is_reached(attempt):
        if child.poll() is not None:
            return False
        if time.monotonic() > deadline:
            kill(tree_of(child.pid))
            raise TimeoutError(f"the loop in {attempt.out} stands still: see its run.log")
        time.sleep(0.005)
    time.sleep(moment.lag_s)
    return child.poll() is None


def kill_run(child: subprocess.Popen[bytes], mode: Mode) -> None:
    """Kills a run, or a part of it."""
    processes = tree_of(child.pid)
    kill({Mode.ALL: processes, Mode.PARENT: processes[:1], Mode.PIPELINE: processes[:2]}[mode])
    child.wait()


def wait_for_orphans(out: Path) -> None:
    """Waits for tasks that outlived their pipeline.

    Raises:
        TimeoutError: They are at work for too long; they are killed.
    """
    deadline = time.monotonic() + _ORPHAN_END_S
    while (living := list(_processes_of(out))) and time.monotonic() < deadline:
        time.sleep(0.1)
    kill(living)
    if living:
        raise TimeoutError(f"tasks of the loop in {out} outlived it by {_ORPHAN_END_S} s: {living}")


def _processes_of(out: Path) -> Iterator[int]:
    """Processes whose command line names the run's folder."""
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = process.read_bytes()
        except OSError:
            continue
        if f"{out}/".encode() in text:
            yield int(process.parent.name)


def differences(
    soaked: Soaked, unbroken: Run, expected: dict[str, Any], in_flight: int = IN_FLIGHT
) -> list[str]:
    """Names what a killed loop has other than an unbroken one; and what it did too often.

    Args:
        soaked: The killed loop.
        unbroken: The other one.
        expected: Its registry.
        in_flight: How many shards of a partition may be made again in an attempt.
    """
    run, counts = soaked.run, soaked.counts
    if run.exit_code:
        return [f"it ended with {run.exit_code}: {run.printed[-2000:]}"]
    ours, theirs = run.content(), unbroken.content()
    keys = sorted(key for key in ours | theirs if ours.get(key) != theirs.get(key))
    return [
        *(f"other bytes in the store: {key}" for key in keys),
        *(["another summary"] if run.summary != unbroken.summary else []),
        *_other_entries(registry(run.out), expected, "registry"),
        *(["more shards repeated than in flight"] if counts.most_repeated > in_flight else []),
        *(["a stored shard made again"] if counts.stored_again else []),
        *(["an engine started for a stage that was done"] if counts.engines_of_done_stages else []),
    ]


def _other_entries(ours: Any, theirs: Any, where: str) -> Iterator[str]:
    """Names what differs within mappings and lists, by its place and with both values."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(ours.keys() | theirs.keys()):
            yield from _other_entries(ours.get(key), theirs.get(key), f"{where}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _other_entries(one, other, f"{where}[{index}]")
    elif ours != theirs:
        yield f"another {where}: {ours!r} instead of {theirs!r}"


def soak_many(
    root: Path, kills: int, rng: random.Random, say: Callable[[str], object]
) -> tuple[list[Soaked], int]:
    """Soaks loops, one after the other, until there were so many kills.

    Returns:
        The loops, and how many of them differ from an unbroken one.
    """
    unbroken = soak(root / "unbroken", [], [])
    expected = registry(unbroken.run.out)
    loops: list[Soaked] = []
    wrong = 0
    while (left := kills - sum(len(loop.kills) for loop in loops)) > 0:
        began = time.monotonic()
        moments, modes = islice(random_moments(rng), left), cycle(rng.sample(list(Mode), len(Mode)))
        loop = soak(root / f"loop-{len(loops):02d}", moments, modes)
        loops.append(loop)
        found = differences(loop, unbroken.run, expected)
        wrong += bool(found)
        say(
            f"loop {len(loops):2d}  {len(loop.kills):2d} kills  {loop.counts.repeated:2d} shards "
            f"repeated  {time.monotonic() - began:5.0f} s  {'; '.join(found) or 'like unbroken'}\n"
        )
    return loops, wrong
