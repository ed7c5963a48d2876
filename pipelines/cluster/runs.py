"""Reads and ends runs: `status`, `logs` and `cancel`."""

from __future__ import annotations

import time

from rich.console import Console

from judgeloop.schema.errors import ClusterError
from pipelines.cluster.follow import ended, state_of, told_by_kubernetes
from pipelines.cluster.pods import show_pod_logs
from pipelines.cluster.progress import at_work, line_of, open_loop, summary_of
from pipelines.cluster.run_answer import RunAnswer
from pipelines.cluster.server import Kubeflow, is_active
from pipelines.plain import print_plain

ENDING_S = 180.0
"""Seconds that pods may take to end after a run was cancelled."""
POLL_S = 1.0


def find_run(server: Kubeflow, name: str) -> RunAnswer:
    """Returns the newest run of a loop id, or the run with this id.

    Raises:
        ClusterError: There is none.
    """
    found = server.runs(name)
    return server.run(found[0].run_id if found else name)


def show_runs(server: Kubeflow, console: Console) -> int:
    """Lists the newest runs; returns the exit code."""
    runs = server.runs()
    for run in runs:
        created = f"{run.created_at:%Y-%m-%d %H:%M}"
        print_plain(console, f"{run.run_id}  {state_of(run):<10}  {created}  {run.display_name}")
    if not runs:
        print_plain(console, "no runs: start one with make submit")
    return 0


def show_run(server: Kubeflow, name: str, console: Console) -> int:
    """Shows the progress of a run's loop and why pods wait; returns 1 if it has failed."""
    run = find_run(server, name)
    loop, unknown = open_loop(run)
    for entry in loop.entries() if loop else []:
        print_plain(console, line_of(entry))
    if unknown:
        print_plain(console, unknown)
    if not is_active(run):
        return ended(server, run, loop, console)
    if loop:
        status = loop.status()
        for line in at_work(loop, status):
            print_plain(console, line)
        print_plain(console, summary_of(status))
    for said in told_by_kubernetes(server, run):
        print_plain(console, said)
    print_plain(console, f"run {run.run_id}  {state_of(run)}")
    return 0


def show_logs(server: Kubeflow, name: str, console: Console, *, kfp_lines: bool = False) -> int:
    """Shows what failed, then the logs of the run's pods; returns the exit code.

    Args:
        server: The server.
        name: A run's id or a loop id.
        console: Output.
        kfp_lines: Include the log lines of Kubeflow and Argo, and driver pods.
    """
    run = find_run(server, name)
    loop, _ = open_loop(run)
    for entry in loop.ledger.failures() if loop else []:
        print_plain(console, f"{entry.name}: {entry.error}")
    namespace = server.namespace
    if not show_pod_logs(run.run_id, namespace, console, kfp_lines=kfp_lines):
        said = (
            f"No pods of run {run.run_id} are in namespace {namespace}: it has just begun, or they "
            f"were removed an hour after its end{server.shown_address(run.run_id)}"
        )
        print_plain(console, said)
    return 0


def cancel(server: Kubeflow, name: str, console: Console, ending_s: float = ENDING_S) -> int:
    """Ends a run and waits until all its pods have ended.

    The cancellation is first recorded in the ledger: Kubeflow also starts the exit handler after a
    cancel, without telling it, and the handler would start the loop again. Finished shards
    remain, which the loop finds again, and the leases of killed tasks, which expire. Kubeflow
    removes the pods.

    Raises:
        ClusterError: The run does not end.
    """
    run = find_run(server, name)
    if is_active(run):
        loop, unknown = open_loop(run)
        if loop:
            loop.ledger.cancel()
        else:
            print_plain(console, f"{unknown}; if the run starts another, cancel that too")
        server.terminate(run.run_id)
    end = time.monotonic() + ending_s
    while is_active(run):
        if time.monotonic() > end:
            raise ClusterError(
                f"run {run.run_id} has not ended {ending_s:.0f} s after it was cancelled: look for "
                f"pods with the label pipeline/runid={run.run_id}"
            )
        time.sleep(POLL_S)
        run = server.run(run.run_id)
    print_plain(console, f"run {run.run_id}  {state_of(run)}, by your cancel")
    said = "Finished work is kept; submit with the same loop id to resume."
    console.print(said, soft_wrap=True)
    return 0
