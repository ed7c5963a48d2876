"""Follows a run to its end: what each task does, one line for each change, and an exit code."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console

from judgeloop.schema.errors import JudgeLoopError
from pipelines.cluster.server import ACTIVE, Kubeflow
from pipelines.plain import print_plain

POLL_S = 5.0
SUCCEEDED = "SUCCEEDED"


def follow(server: Kubeflow, run_id: str, console: Console, poll_s: float = POLL_S) -> int:
    """Shows a run until it has ended.

    Args:
        server: The server.
        run_id: The run.
        console: Where lines go.
        poll_s: How often is asked.

    Returns:
        The exit code: 0 where the run succeeded, else 1.

    Raises:
        ClusterError: The server is away for long, or refuses us; the run goes on without us.
    """
    shown: dict[str, str] = {}
    while True:
        run = server.run(run_id)
        for task in tasks_of(run):
            state = str(task.state)
            if shown.get(task.task_id) != state:
                shown[task.task_id] = state
                _show(task, console)
        if run.state not in ACTIVE:
            return ended(run, console)
        time.sleep(poll_s)


def ended(run: Any, console: Console) -> int:
    """Says how a run ended, and why where it failed; returns the exit code."""
    print_plain(console, f"run {run.run_id}  {run.state}")
    if run.state == SUCCEEDED:
        return 0
    for what, error in errors_of(run):
        print_plain(console, f"{what}: {error}")
    return JudgeLoopError.exit_code


def tasks_of(run: Any) -> list[Any]:
    """Returns a run's tasks in the order of their start, without KFP's own drivers."""
    details = run.run_details.task_details if run.run_details else None
    tasks = [task for task in details or [] if not str(task.display_name).endswith("-driver")]
    return sorted(tasks, key=lambda task: (str(task.start_time or task.create_time), task.task_id))


def errors_of(run: Any) -> list[tuple[str, str]]:
    """Returns (task, message) of what failed, and the run's own error last."""
    found = [(str(task.display_name), task.error.message) for task in tasks_of(run) if task.error]
    if run.error:
        found.append(("the run", run.error.message))
    return [(what, message) for what, message in found if message]


def _show(task: Any, console: Console) -> None:
    seconds = ""
    if task.start_time and task.end_time and task.end_time > task.start_time:
        seconds = f"{(task.end_time - task.start_time).total_seconds():8.1f} s"
    line = f"{task.display_name:<28} {task.state:<10}{seconds}"
    print_plain(console, line.rstrip())
