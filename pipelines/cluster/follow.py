"""Follows a loop through its runs: a line for each task that ends, and an exit code."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

from rich.console import Console

from judgeloop.ops.pods.waiting import findings
from judgeloop.runtime.ledger import kind_of
from judgeloop.schema.errors import ClusterError, JudgeLoopError
from pipelines.cluster.progress import LoopOfRun, at_work, line_of, open_loop, summary_of
from pipelines.cluster.run_answer import RunAnswer
from pipelines.cluster.run_pods import Seen, end_late_run, look_at
from pipelines.cluster.server import Kubeflow, is_active
from pipelines.plain import print_plain

POLL_S = 5.0
NEXT_RUN_S = 120.0
"""Seconds within which the next run of a loop must appear after the previous one."""
SUCCEEDED, CANCELING = "SUCCEEDED", "CANCELING"


def follow(
    server: Kubeflow, run_id: str, console: Console, poll_s: float = POLL_S,
    start_within_s: float = math.inf,
) -> int:  # fmt: skip
    """Shows a loop until its runs have ended, and ends one in which a task waits too long.

    Args:
        server: The server.
        run_id: The run to begin with; those that it starts are followed too.
        console: Output.
        poll_s: Seconds between polls.
        start_within_s: Seconds within which a pod must start; else its run is ended.

    Returns:
        The exit code: 0 if the loop finished, else 1.

    Raises:
        ClusterError: The server is unavailable for long, or refuses us; the run itself continues.
    """
    shown = _Shown(console)
    while True:
        run = server.run(run_id)
        loop, unknown = open_loop(run)
        shown.line("ledger", unknown)
        shown.line(f"state {run_id}", f"run {run_id}  {state_of(run)}")
        if loop:
            for entry in loop.entries():
                shown.line(entry.name, line_of(entry))
            if is_active(run):
                for line in at_work(loop, loop.status()):
                    shown.line(line.split()[0] + " at work", line)
        if is_active(run):
            seen, refused = _seen(server, run)
            shown.line("pods", refused and f"why pods wait is unknown: {refused}")
            for finding in findings(seen.found.pods) if seen else ():
                shown.line(str(finding), str(finding))
            if seen and run.state != CANCELING:
                end_late_run(server, run_id, loop, seen.found, start_within_s, console)
            time.sleep(poll_s)
            continue
        following = _next_run(server, loop, run, poll_s)
        if following is None:
            return ended(server, run, loop, console)
        run_id = following


def state_of(run: RunAnswer) -> str:
    """Returns a run's state; one that was just started has none yet."""
    return str(run.state or "PENDING")


def ended(server: Kubeflow, run: RunAnswer, loop: LoopOfRun | None, console: Console) -> int:
    """Prints how a loop ended, and why it failed; returns the exit code.

    The state comes from the ledger, or from Kubeflow if the ledger cannot be read.
    """
    if loop is None:
        succeeded = run.state == SUCCEEDED
        print_plain(console, f"run {run.run_id}  {state_of(run)}")
        return 0 if succeeded else JudgeLoopError.exit_code
    ending = loop.ending()
    print_plain(console, summary_of(loop.status()))
    what = f"the {kind_of(loop.ledger.loop_id)} is {ending.state}"
    print_plain(console, f"run {run.run_id}  {state_of(run)}; {what}")
    if ending.state == "finished":
        return 0
    print_plain(console, ending.reason)
    for said in told_by_kubernetes(server, run):
        print_plain(console, said)
    return JudgeLoopError.exit_code


def told_by_kubernetes(server: Kubeflow, run: RunAnswer) -> Iterator[str]:
    """Yields the findings of a run's pods and its Workflow, or why they cannot be read."""
    seen, refused = _seen(server, run)
    if seen is None:
        yield f"why pods wait is unknown: {refused}"
        return
    yield from map(str, findings(seen.found.pods))
    if seen.message:
        yield f"the Workflow: {seen.message}"


def _seen(server: Kubeflow, run: RunAnswer) -> tuple[Seen | None, str]:
    """Returns the state of a run in Kubernetes, or None and why its pods cannot be listed."""
    try:
        return look_at(run.run_id, server.namespace), ""
    except ClusterError as error:
        return None, str(error)


def _next_run(
    server: Kubeflow, loop: LoopOfRun | None, run: RunAnswer, poll_s: float
) -> str | None:
    """Returns the run that continues the loop after this one, if there is one."""
    if loop is None or loop.ending().state not in ("continues", "interrupted"):
        return None
    end = time.monotonic() + (NEXT_RUN_S if loop.ending().state == "continues" else 0)
    while True:
        later = [each for each in server.runs(loop.loop_id, run.experiment_id)
                 if each.run_id != run.run_id and each.created_at > run.created_at]  # fmt: skip
        if later:
            return str(later[0].run_id)
        if time.monotonic() > end:
            return None
        time.sleep(poll_s)


class _Shown:
    """Prints a line if it is new or has changed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lines: dict[str, str] = {}

    def line(self, name: str, text: str) -> None:
        if text and self._lines.get(name) != text:
            self._lines[name] = text
            print_plain(self._console, text)
