"""Finds a task of a run that waits too long for its start, since Kubernetes never gives up.

A pod that waits for resources that other tasks of the run hold (GPUs, quota, a queue) is not late
before they have ended: its wait counts from then. Waits for an image, a claim or a Secret count at
once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from judgeloop.ops.pods.waiting import (
    NOT_CREATED,
    WATCH,
    Place,
    Pod,
    created,
    explain,
    is_driver,
    place_of,
)
from judgeloop.runtime.ledger import AFTER_LOOP, BASE_ITERATION, Entry
from judgeloop.runtime.stage_table import STAGES
from judgeloop.schema.errors import PreflightError

ROOM = ("Unschedulable", "SchedulingGated", NOT_CREATED)
"""Reasons that may disappear when other pods end."""


class Pods(NamedTuple):
    """The pods of a run, oldest first."""

    pods: Sequence[Pod]
    at: datetime
    """Time of this state, by the clock of the Kubernetes API."""


def late(found: Pods, start_within_s: float, worked: datetime | None = None) -> Pod | None:
    """Returns the pod that has waited longest for its start, if that is too long.

    Args:
        found: The pods of a run.
        start_within_s: Seconds that a pod may wait for its node, image, claim and Secrets.
        worked: Time at which a task of the run was last seen running, if `found` has no ended ones.
    """
    for pod in found.pods:
        since = _waits_since(pod, found.pods, worked)
        if since and (found.at - since).total_seconds() > start_within_s:
            return pod
    return None


def _waits_since(pod: Pod, pods: Sequence[Pod], worked: datetime | None) -> datetime | None:
    """Returns since when a pod waits for nothing of its own run; None if it does not wait."""
    if pod.get("status", {}).get("phase") != "Pending" or not created(pod):
        return None
    since = datetime.fromisoformat(created(pod))
    why = explain(pod)
    if why is None or why.reason not in ROOM or "persistentvolumeclaim" in why.message.lower():
        return since
    if any(is_at_work(each) for each in pods):
        return None
    ends = (ended for each in pods if _is_task(each) for ended in _ends(each))
    return max([since, *([worked] if worked else []), *ends])


def is_at_work(pod: Pod) -> bool:
    """Returns whether a pod runs a task of the loop now."""
    return _is_task(pod) and pod.get("status", {}).get("phase") == "Running"


def _is_task(pod: Pod) -> bool:
    return not (is_driver(pod) or watches(pod))


def watches(pod: Pod) -> bool:
    """Returns whether a pod belongs to the task that watches the others of its run."""
    place = place_of(pod)
    return place is not None and place.stage == WATCH


def _ends(pod: Pod) -> Iterator[datetime]:
    """Yields the times at which the containers of a pod ended."""
    for container in pod.get("status", {}).get("containerStatuses", []):
        ended = container.get("state", {}).get("terminated", {}).get("finishedAt")
        if ended:
            yield datetime.fromisoformat(ended)


def reason_of(pod: Pod, within_s: float) -> str:
    """Returns why a pod has not started, as recorded in the ledger."""
    why = explain(pod)
    said = f"{why.reason}: {why.message}" if why else "Kubernetes gives no reason"
    return f"not started within {within_s:.0f} s (start_within_s of the profile): {said}"


def entry_of(place: Place | None, first: int, reason: str) -> Entry:
    """Returns the ledger entry of a task that was not started, which another run would repeat.

    Args:
        place: The task of its pod.
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
