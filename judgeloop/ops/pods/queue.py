"""Adds the reasons of pods that wait in a Kueue queue, which only their Workload has."""

from __future__ import annotations

from collections.abc import Sequence

from judgeloop.cluster.kubernetes import Tree
from judgeloop.cluster.workloads import why_queued
from judgeloop.ops.pods.waiting import Pod

GATED = "SchedulingGated"


def is_gated(pod: Pod) -> bool:
    """Returns whether a pod waits for a queue."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(each.get("reason") == GATED for each in conditions)


def with_reasons(pods: Sequence[Pod], workloads: Sequence[Tree]) -> list[Pod]:
    """Returns the pods; those in a queue with the reason from their Workload, if it has one."""
    return [_told(pod, workloads) if is_gated(pod) else pod for pod in pods]


def _told(pod: Pod, workloads: Sequence[Tree]) -> Pod:
    why = why_queued(workloads, pod["metadata"].get("uid", ""))
    if why is None:
        return pod
    conditions = [
        {**each, "message": f"queued: {why}"} if each.get("reason") == GATED else each
        for each in pod["status"]["conditions"]
    ]
    return {**pod, "status": {**pod["status"], "conditions": conditions}}
