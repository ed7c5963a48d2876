"""Asks Kubernetes for the pod of this process, and whether another lease holder's pod is gone.

No clocks are compared: a pod that does not exist, that has been replaced under the same name or
that has ended no longer works. If Kubernetes does not answer, the state is unknown.
"""

from __future__ import annotations

import hashlib
import logging
import os
from typing import Any

from judgeloop.cluster import own_pod
from judgeloop.cluster.answers import Pod, checked
from judgeloop.cluster.kubernetes import find
from judgeloop.runtime.progress import FILE_VARIABLE
from judgeloop.schema.errors import ClusterError

logger = logging.getLogger(__name__)

NAME, UID = "KFP_POD_NAME", "KFP_POD_UID"
"""Variables that Kubeflow sets in every task."""
ENDED = ("Succeeded", "Failed")


def on_cluster() -> bool:
    """Whether this is a task on a cluster; a local run in a notebook's pod is not."""
    return own_pod.IN_POD in os.environ and FILE_VARIABLE not in os.environ


def this_pod() -> str:
    """Returns cluster, namespace, name and uid of this process's pod; empty outside a pod."""
    name, uid = os.environ.get(NAME), os.environ.get(UID)
    if not (on_cluster() and name and uid):
        return ""
    try:
        # Each cluster has its own certificate authority; its API server may have several addresses.
        cluster = hashlib.sha256((own_pod.ACCOUNT / "ca.crt").read_bytes()).hexdigest()[:16]
        namespace = (own_pod.ACCOUNT / "namespace").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return f"{cluster} {namespace} {name} {uid}"


def is_pod_gone(pod: str) -> bool:
    """Returns whether a pod is known to have ended; False if that cannot be known here.

    Args:
        pod: The result of `this_pod` in that pod.
    """
    here = this_pod().split(" ")
    there = pod.split(" ")
    if len(here) != 4 or len(there) != 4 or here[:2] != there[:2]:
        return False  # another cluster or namespace, which has pods of its own
    _, namespace, name, uid = there
    try:
        found = _read(f"/api/v1/namespaces/{namespace}/pods/{name}")
        checked_pod = checked(found, Pod) if found is not None else None
    except ClusterError as error:
        logger.debug("whether pod %s is gone is unknown: %s", name, error)
        return False
    if checked_pod is None:
        return True
    other = checked_pod.get("metadata", {}).get("uid")
    if other is None:
        return False  # an answer without a uid is not a pod
    return other != uid or checked_pod.get("status", {}).get("phase") in ENDED


def _read(path: str) -> dict[str, Any] | None:
    return find(own_pod.OwnCluster(), path)
