"""Progress of a submitted loop, read from its ledger in the store.

Kubeflow's own list of tasks is not used: it freezes once Argo compresses its nodes, has no names of
tasks, and has entries that never end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from judgeloop.ops.status import LoopStatus, outcome_of, read_status
from judgeloop.ops.workers import tasks_at_work
from judgeloop.runtime.ending import Ending, read_ending
from judgeloop.runtime.ledger import Entry, Ledger
from judgeloop.runtime.reference import parse_reference
from judgeloop.schema.errors import ConfigError, JudgeLoopError
from judgeloop.store import open_store
from pipelines.cluster.run_answer import RunAnswer


class LoopOfRun(NamedTuple):
    """The loop of a Kubeflow run."""

    loop_id: str
    ledger: Ledger
    first: int
    """The iteration that the run begins with."""

    @classmethod
    def of(cls, run: RunAnswer) -> LoopOfRun:
        """Returns the loop of a run, by its parameters.

        Raises:
            ConfigError: It is not a run of judgeloop, or its store is a folder of another machine.
            StoreError: Its store cannot be opened.
        """
        loop_id, config = (run.parameters.get(name) for name in ("loop_id", "config"))
        if not (isinstance(loop_id, str) and isinstance(config, str)):
            raise ConfigError(f"run {run.run_id} does not belong to a loop: it has no loop_id")
        reference = parse_reference(config)
        return cls(loop_id, Ledger(open_store(reference.store), loop_id), reference.first)

    def entries(self) -> list[Entry]:
        """Returns how the loop's tasks ended, in the loop's order."""
        return self.ledger.entries()

    def ending(self) -> Ending:
        """Returns how the loop's last run ended; meaningless while one is running."""
        return read_ending(self.ledger)

    def status(self) -> LoopStatus:
        """Returns the progress of the loop."""
        return read_status(self.ledger.store, self.loop_id)


def open_loop(run: RunAnswer) -> tuple[LoopOfRun | None, str]:
    """Returns the loop of a run, or None and why its ledger cannot be read from here."""
    try:
        loop = LoopOfRun.of(run)
        loop.entries()
    except JudgeLoopError as error:
        return None, f"progress unknown: {error}"
    return loop, ""


def line_of(entry: Entry) -> str:
    """Returns one line for a task that is done or has failed."""
    if entry.manifest is None:
        said = (entry.error or "no message").splitlines()[0]
        return f"{entry.name:<28} FAILED    {said}"
    said = outcome_of(entry)
    rows = f"{entry.manifest.rows} rows" if entry.manifest.rows else ""
    return f"{entry.name:<28} done {entry.seconds:8.1f} s  {rows:<12} {said}".rstrip()


def at_work(loop: LoopOfRun, status: LoopStatus) -> Iterator[str]:
    """Yields the progress of each running task of a loop, from its lease.

    A content key names no loop, so a running task is assigned to the loop if the loop still lacks
    it. Fine-tuning reports its steps and the loss.
    """
    for task, said in tasks_at_work(loop.ledger.store):
        if task in status.missing:
            yield f"{task:<28} at work  {said}"


def summary_of(status: LoopStatus) -> str:
    """Returns one line about a loop: its iterations, what is next, how it ended."""
    line = (
        f"loop {status.loop_id}  {status.iterations} of at most {status.bound} iterations decided"
    )
    if status.ended:
        return f"{line}; {status.ended}"
    return f"{line}; next: {', '.join(status.missing[:3])}" if status.missing else line
