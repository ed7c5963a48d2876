"""`judgeloop status`: the progress of the loops of a run or a store, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from judgeloop.cli import options
from judgeloop.cli.command import command
from judgeloop.cli.table import table
from judgeloop.ops.status import LoopStatus, loop_ids, read_status
from judgeloop.ops.target import Target, open_target
from judgeloop.ops.workers import Worker, find_workers
from judgeloop.runtime.ledger import is_evaluation
from judgeloop.schema.errors import ConfigError

PATIENCE_S = 25.0
"""Seconds that another machine's worker may be silent: more than two heartbeats."""
SHOWN_TASKS = 6


@command(
    "status",
    "judgeloop status runs/demo",
    "judgeloop status s3://bucket/prefix --loop first --json",
    "judgeloop status",
    "judgeloop status first --follow",
)
@click.argument("target", metavar="[DIR|URI|RUN]", required=False)
@click.option("--loop", metavar="ID", help="This loop in full, of several in a store.")
@options.as_json
@click.option("--follow", is_flag=True, help="On Kubeflow: until the run has ended.")
@click.option(
    "--poll",
    type=float,
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="On Kubeflow: how often --follow asks.",
)
@click.option(
    "--profile",
    default="cpu",
    show_default=True,
    help="On Kubeflow: says how long a task may wait for its start before --follow ends the run.",
)
def status(
    target: str | None, loop: str | None, as_json: bool, follow: bool, poll: float, profile: str
) -> str | int:
    """Show what is done and missing, what it cost, and what to do next.

    Given the folder of a run or a store, or a store's URI, it reads the loops' ledgers. Given the
    id of a run on Kubeflow, or of a loop, it asks the server for its newest run; given nothing, it
    lists the server's newest runs.

    Raises:
        ConfigError: There is no such folder, store, loop or run.
        StoreError, DataError: The store or a ledger cannot be read.
        ClusterError: The server cannot be asked.
    """
    if target is None or not _is_path_or_uri(target):
        from pipelines.cluster.commands import show_status

        return show_status(target, poll if follow else None, profile)
    return show_loops(open_target(target), loop, as_json=as_json)


def _is_path_or_uri(text: str) -> bool:
    return "/" in text or Path(text).exists()


def show_loops(target: Target, loop: str | None, *, as_json: bool) -> str:
    """Reads the loops of a store and describes them; raises as `status`."""
    known = loop_ids(target.store)
    wanted = loop or (target.loop_id if target.loop_id in known else None)
    if loop and loop not in known:
        raise ConfigError(
            f"--loop {loop}: {target.store.uri} holds no such loop ({', '.join(known)})"
        )
    found = _read(target, [wanted] if wanted else known)
    if as_json:
        return msgspec.json.encode({"store": target.store.uri, "loops": found}).decode()
    if not found:
        return f"no loop was started in {target.store.uri}"
    if len(found) == 1:
        return "\n".join(_in_full(found[0], target))
    header = ("loop", "state", "iterations", "tasks", "seconds", "champion")
    rows = table(header, [_row(status) for status in found])
    return "\n".join([f"store {target.store.uri}", *rows, "--loop ID shows one in full"])


def _read(target: Target, loops: Sequence[str]) -> list[LoopStatus]:
    workers = find_workers(target.store, PATIENCE_S)
    stages = [_at_work(worker) for worker in workers if not worker.loop_id]
    # On a cluster no lease covers a whole loop, and a stage's lease does not name its loop: it may
    # belong to any unfinished loop.
    anyones = stages if not any(worker.loop_id for worker in workers) else []
    found = []
    for loop_id in loops:
        mine = [f"{worker.holder}" for worker in workers if worker.loop_id == loop_id]
        status = read_status(target.store, loop_id, mine)
        if anyones and status.missing:
            status = read_status(target.store, loop_id, anyones)
        found.append(status)
    return found


def _at_work(worker: Worker) -> str:
    """Describes a worker, its work, and its progress or what it waits for."""
    progress = worker.holder.progress
    return f"{worker.holder} on {worker.folder}" + (f": {progress}" if progress else "")


def _row(status: LoopStatus) -> tuple[str, ...]:
    tasks = sum(cost.tasks for cost in status.costs)
    return (
        status.loop_id,
        status.state,
        "-" if is_evaluation(status.loop_id) else f"{status.iterations} of {status.bound}",
        str(tasks),
        f"{status.seconds:.0f}",
        status.champion or "-",
    )


def _in_full(status: LoopStatus, target: Target) -> list[str]:
    tokens = "".join(f", {count:,} {name} tokens" for name, count in status.tokens.items())
    far = f", {status.iterations} of at most {status.bound} iterations decided"
    if is_evaluation(status.loop_id):
        far = ", an evaluation outside a loop"
    lines = [
        f"loop {status.loop_id}: {status.state}{far}",
        f"store    {target.store.uri}",
        "",
        *table(
            ("stage", "tasks", "rows", "seconds", "GPU s", "generated tokens"),
            [
                (
                    cost.stage,
                    str(cost.tasks),
                    f"{cost.rows:,}",
                    f"{cost.seconds:.1f}",
                    f"{cost.gpu_seconds:.1f}",
                    f"{cost.generated:,}",
                )
                for cost in status.costs
            ],
        ),
        "",
        f"cost     {status.seconds:.1f} s in tasks{tokens}",
        f"missing  {_some(status.missing) or 'nothing'}",
    ]
    lines += [f"failed   {failure.task}: {failure.error}" for failure in status.failures]
    lines += [f"at work  {worker}" for worker in status.workers]
    if status.ended:
        lines.append(f"ended    {status.ended}")
    if status.state == "finished":
        lines.append(f"champion {status.champion or 'none'} of {status.model_name}")
    return [*lines, f"next     {_next(status, target)}"]


def _next(status: LoopStatus, target: Target) -> str:
    again = f"start it again as before, with LOOP_ID={status.loop_id}"
    if target.command is not None and target.loop_id == status.loop_id:
        again = f"start it again with `{target.command}`"
    elif target.run is not None:
        again += f" OUT={target.name}"
    if status.state == "running":
        return "wait: it is running"
    if status.state == "failed":
        return (
            f"fix the cause, then {again}: it resumes after the last complete shard. Settings "
            "that affect no finished work may change; for others the command prints a free loop "
            "id"
        )
    if status.state == "stopped":
        return f"{again}: it resumes after the last complete shard"
    local = target.run / "report.html" if target.run else None
    report = local if local and local.is_file() else status.report
    seen = f"look at {report}" if report else f"{again}: its report is missing"
    if status.champion is None:
        return seen
    return f"{seen}; ask the judge: judgeloop verdict --model models:/{status.model_name}@champion"


def _some(names: Sequence[str]) -> str:
    more = f", and {len(names) - SHOWN_TASKS} more" if len(names) > SHOWN_TASKS else ""
    return ", ".join(names[:SHOWN_TASKS]) + more
