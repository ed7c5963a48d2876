"""Why Kueue has not admitted a job or a pod yet, read from its Workload."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from judgeloop.cluster.kubernetes import Tree

API = "kueue.x-k8s.io/v1beta2"
INADMISSIBLE = "Inadmissible"
"""Reason of a Workload whose queue does not exist: it will never be admitted."""
_LACKS = re.compile(r"quota for (?P<resource>\S+) in flavor \S+, (?P<amount>\S+) more needed")
"""The message as it was recorded with Kueue 0.19."""


class Queued(NamedTuple):
    """Why a Workload waits."""

    reason: str
    """Reason of its condition, such as `Pending`."""
    message: str
    """Kueue's message."""

    def __str__(self) -> str:
        """Returns what is missing, such as `needs 1 more nvidia.com/gpu`, else Kueue's message."""
        lacks = [
            f"{each['amount']} more {each['resource']}" for each in _LACKS.finditer(self.message)
        ]
        if not lacks:
            return f"{self.reason}: {self.message}"
        first = ", once others are preempted" if "preemption" in self.message else ""
        return f"needs {' and '.join(dict.fromkeys(lacks))}{first}"


def workloads_path(namespace: str) -> str:
    """Returns where the Workloads of a namespace are in the API."""
    return f"/apis/{API}/namespaces/{namespace}/workloads"


def why_queued(workloads: Iterable[Tree], uid: str) -> Queued | None:
    """Returns why a queue has not admitted an object yet; None if nothing says so.

    Args:
        workloads: All Workloads of the namespace.
        uid: Uid of the TrainJob or the pod.
    """
    for workload in workloads:
        if uid not in _owners(workload):
            continue
        for each in (workload.get("status") or {}).get("conditions") or []:
            if (each.get("type"), each.get("status")) == ("QuotaReserved", "False"):
                return Queued(str(each.get("reason", "")), str(each.get("message", "")))
    return None


def _owners(workload: Tree) -> list[Any]:
    return [each.get("uid") for each in workload["metadata"].get("ownerReferences", [])]
