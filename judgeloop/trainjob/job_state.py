"""The state of a TrainJob, read from the job and its pods: waiting, running or ended, and why.

A TrainJob has no condition while it waits or runs, `Suspended` stays with the status False after a
queue has admitted it, and the job's own failure names no cause: that is in the pod, in events or in
the Workload.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from judgeloop.cluster.kubernetes import Tree
from judgeloop.trainjob.document import NODE

State = Literal["complete", "failed", "suspended", "ready", "waiting"]
OUT_OF_MEMORY = "OOMKilled"
_WAITING = (
    "ImagePullBackOff", "ErrImagePull", "InvalidImageName", "CreateContainerConfigError",
    "CreateContainerError", "RunContainerError",
)  # fmt: skip


class Ended(NamedTuple):
    """How the container of a pod ended."""

    exit_code: int
    reason: str
    """Kubernetes' reason, such as `Error` or `OOMKilled`."""
    said: str
    """The end of its log, or its termination message."""
    started_at: str = ""
    """When it was started, in Kubernetes' time format."""


def state_of(job: Tree) -> State:
    """Returns the state of a TrainJob."""
    status = job.get("status") or {}
    true = {each["type"] for each in status.get("conditions", []) if each["status"] == "True"}
    if "Complete" in true:
        return "complete"
    if "Failed" in true:
        return "failed"
    if job.get("spec", {}).get("suspend") or "Suspended" in true:
        return "suspended"
    (node,) = [each for each in status.get("jobsStatus", []) if each["name"] == NODE] or [{}]
    return "ready" if node.get("ready") or node.get("succeeded") else "waiting"


def failure_of(job: Tree) -> tuple[str, str]:
    """Returns reason and message of a failed job's condition."""
    for each in job["status"]["conditions"]:
        if (each["type"], each["status"]) == ("Failed", "True"):
            return str(each.get("reason", "")), str(each.get("message", ""))
    return "", ""


def ended_container(pods: Iterable[Tree]) -> Ended | None:
    """Returns how the first container that failed has ended.

    A pod that was deleted from outside, such as an evicted one, is considered last: its end is not
    the cause.
    """
    for pod in sorted(pods, key=lambda pod: "deletionTimestamp" in pod["metadata"]):
        for container in (pod.get("status") or {}).get("containerStatuses", []):
            ended = container.get("state", {}).get("terminated")
            if container.get("name") == NODE and ended and ended.get("exitCode"):
                return Ended(
                    int(ended["exitCode"]), str(ended.get("reason", "Error")),
                    str(ended.get("message", "")).strip(), str(ended.get("startedAt", "")),
                )  # fmt: skip
    return None


def is_at_work(pod: Tree) -> bool:
    """Returns whether a pod that is not being deleted has a container that has not ended."""
    containers = (pod.get("status") or {}).get("containerStatuses", [])
    ends = [each.get("state", {}).get("terminated") for each in containers]
    return "deletionTimestamp" not in pod["metadata"] and not all(ends or [None])


def disrupted(pods: Iterable[Tree], since: str = "") -> str:
    """Returns why a pod was taken from its node, such as an eviction; empty if none was.

    Args:
        pods: Of the job.
        since: A time in Kubernetes' format; earlier disruptions do not count, since a container
            that was started later cannot have failed because of them.
    """
    for pod in pods:
        for each in (pod.get("status") or {}).get("conditions", []):
            when = each.get("lastTransitionTime")
            if when and when < since:
                continue
            if (each["type"], each["status"]) == ("DisruptionTarget", "True"):
                return f"{each.get('reason', '')}: {each.get('message', '')}"
    return ""


def why_waiting(pods: Iterable[Tree], events: Iterable[Tree]) -> str:
    """Returns what keeps a job's pod from starting, as far as pods and events show.

    Args:
        pods: Of the job.
        events: Events of the job and of the objects made for it, oldest first.
    """
    for pod in pods:
        status = pod.get("status") or {}
        for each in status.get("conditions", []):
            if (each["type"], each["status"]) == ("PodScheduled", "False"):
                return f"{each.get('reason', 'Unschedulable')}: {each.get('message', '')}"
        for container in status.get("containerStatuses", []):
            waiting = container.get("state", {}).get("waiting", {})
            if waiting.get("reason") in _WAITING:
                return f"{waiting['reason']}: {waiting.get('message', '')}"
    warnings = [each for each in events if each.get("type") == "Warning"]
    if warnings:
        return f"{warnings[-1].get('reason', '')}: {warnings[-1].get('message', '')}"
    return "neither its pods nor events say why"
