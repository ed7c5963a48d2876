"""Reads and ends runs: `status`, `logs` and `cancel`."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console

from judgeloop.schema.errors import ClusterError
from pipelines.cluster.follow import ended, errors_of, tasks_of
from pipelines.cluster.pods import show_pod_logs
from pipelines.cluster.server import ACTIVE, Kubeflow
from pipelines.plain import print_plain

ENDING_S = 180.0
"""How long pods may take to end after a run was cancelled."""
POLL_S = 1.0


def find_run(server: Kubeflow, name: str) -> Any:
    """Returns the newest run of a loop id, or the run with this id.

    Raises:
        ClusterError: There is none.
    """
    found = server.runs(name)
    return server.run(found[0].run_id if found else name)


def show_runs(server: Kubeflow, console: Console) -> int:
    """Lists the newest runs; returns the exit code."""
    for run in server.runs():
        line = f"{run.run_id}  {run.state:<10}  {run.created_at:%Y-%m-%d %H:%M}  {run.display_name}"
        print_plain(console, line)
    return 0


def show_run(server: Kubeflow, name: str, console: Console) -> int:
    """Shows a run's tasks and how it stands; 1 where it has failed."""
    run = find_run(server, name)
    for task in tasks_of(run):
        line = f"{task.display_name:<28} {task.state}"
        print_plain(console, line)
    if run.state in ACTIVE:
        print_plain(console, f"run {run.run_id}  {run.state}")
        return 0
    return ended(run, console)


def show_logs(server: Kubeflow, name: str, console: Console) -> int:
    """Shows what failed, then the logs of the run's pods; returns the exit code."""
    run = find_run(server, name)
    for what, error in errors_of(run):
        print_plain(console, f"{what}: {error}")
    namespace = server.connection.namespace or "kubeflow"
    if not show_pod_logs(run.run_id, namespace, console):
        said = (
            f"No pods of run {run.run_id} are in namespace {namespace}: it has just begun, or they "
            f"were removed some time after its end.{server.shown_address(run.run_id)}"
        )
        print_plain(console, said)
    return 0


def cancel(server: Kubeflow, name: str, console: Console, ending_s: float = ENDING_S) -> int:
    """Ends a run and waits until nothing of it works any more.

    Kubeflow runs no exit handler on cancellation, so nothing inside the run can clean up. What is
    left: finished shards, which the loop finds again, and the leases of tasks that were killed,
    which expire within a minute. Pods are removed by Kubeflow.

    Raises:
        ClusterError: The run does not end.
    """
    run = find_run(server, name)
    if run.state in ACTIVE:
        server.terminate(run.run_id)
    end = time.monotonic() + ending_s
    while run.state in ACTIVE:
        if time.monotonic() > end:
            raise ClusterError(
                f"run {run.run_id} has not ended {ending_s:.0f} s after it was cancelled: look for "
                f"pods with the label pipeline/runid={run.run_id}"
            )
        time.sleep(POLL_S)
        run = server.run(run.run_id)
    print_plain(console, f"run {run.run_id}  {run.state}")
    said = "What is finished is kept: submitted with the same loop id, the loop goes on from there."
    console.print(said, soft_wrap=True)
    return 0
