"""Ends a run in which a task waits too long for its start: nothing of Kubernetes' ever does."""

from __future__ import annotations

from rich.console import Console

from judgeloop.runtime.ledger import AFTER_LOOP, BASE_ITERATION, Entry
from judgeloop.runtime.stage_table import STAGES
from judgeloop.schema.errors import PreflightError
from pipelines.cluster.progress import LoopOfRun
from pipelines.cluster.server import Kubeflow
from pipelines.cluster.waiting import Place, Pod, Pods, explain, late, place_of, task_of
from pipelines.plain import print_plain


def end_late_run(
    server: Kubeflow, run_id: str, loop: LoopOfRun | None, pods: Pods, within_s: float,
    console: Console,
) -> bool:  # fmt: skip
    """Ends a run whose pod was not started in time; says whether there is one.

    The reason goes into the ledger first, as a failure that another run would meet again: so the
    exit handler, which Kubeflow starts after that, starts no further run.

    Args:
        server: The server.
        run_id: The run.
        loop: Its loop; None if the ledger cannot be reached from here.
        pods: Its pods.
        within_s: `start_within_s` of the profile.
        console: Where the reason is shown.
    """
    pod = late(pods, within_s)
    if pod is None:
        return False
    reason = reason_of(pod, within_s)
    print_plain(console, f"{task_of(pod)}: {reason}; ending run {run_id}")
    if loop:
        loop.ledger.record(entry_of(place_of(pod), loop.first, reason))
    server.terminate(run_id)
    return True


def reason_of(pod: Pod, within_s: float) -> str:
    """Returns why a pod has not started, as the ledger says it."""
    why = explain(pod)
    said = f"{why.reason}: {why.message}" if why else "Kubernetes gives no reason"
    return f"not started within {within_s:.0f} s (start_within_s of the profile): {said}"


def entry_of(place: Place | None, first: int, reason: str) -> Entry:
    """Returns the failure of a task that was not started.

    Args:
        place: What its pod works for.
        first: The loop's iteration that the run begins with.
        reason: Why it was not started.
    """
    spec = next((each for each in STAGES if place and each.name == place.stage), STAGES[0])
    if place and place.iteration is not None:
        iteration = first - 1 + place.iteration
    else:
        iteration = AFTER_LOOP if spec.phases == ("end",) else BASE_ITERATION
    partition = place.partition if place and spec.partitioned else None
    return Entry(
        stage=spec.name, iteration=iteration, partition=partition, error=reason,
        exit_code=PreflightError.exit_code,
    )  # fmt: skip
