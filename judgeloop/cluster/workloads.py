"""Why a queue of Kueue's has not admitted work yet: read from its Workload alone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from judgeloop.cluster.kubernetes import Tree

API = "kueue.x-k8s.io/v1beta2"
INADMISSIBLE = "Inadmissible"
"""The queue does not exist: nothing admits this ever."""
_LACKS = re.compile(r"quota for (?P<resource>\S+) in flavor \S+, (?P<amount>\S+) more needed")
"""As Kueue 0.19 was recorded."""


class Queued(NamedTuple):
    """Why a Workload waits."""

    reason: str
    """Of its condition, such as `Pending`."""
    message: str
    """In Kueue's words."""

    def __str__(self) -> str:
        """Returns what is missing, such as `needs 1 more nvidia.com/gpu`, else Kueue's words."""
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
        workloads: Of the namespace.
        uid: Of the TrainJob or the pod.
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
