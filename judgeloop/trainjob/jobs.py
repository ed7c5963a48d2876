"""The TrainJobs of a namespace: created, read, watched and deleted."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any
from urllib.parse import quote

from judgeloop.cluster.kubernetes import NOT_FOUND, RefusedError, Tree
from judgeloop.cluster.own_pod import OwnCluster
from judgeloop.cluster.workloads import workloads_path
from judgeloop.schema.errors import ClusterError
from judgeloop.trainjob.document import API
from judgeloop.trainjob.watch import Watch

logger = logging.getLogger(__name__)

CONFLICT = 409
RETRIED = (500, 504)
"""Statuses with which a creation is refused while the operator's webhook restarts."""
TRIES, PAUSE_S = 6, 5.0
GONE_WITHIN_S = 60.0
JOBSET_LABEL = "jobset.sigs.k8s.io/jobset-name"


class Jobs:
    """The TrainJobs of this pod's namespace.

    Args:
        cluster: The namespace.
    """

    def __init__(self, cluster: OwnCluster) -> None:
        self._cluster = cluster
        self._collection = f"/apis/{API}/namespaces/{cluster.namespace}/trainjobs"
        self._core = f"/api/v1/namespaces/{cluster.namespace}"

    def create(self, document: Tree) -> bool:
        """Creates a job; returns False if a job of its name exists.

        Unknown fields are refused: by default the API would drop them silently.

        Raises:
            ClusterError: It is refused; the message says what to do.
        """
        for left in reversed(range(TRIES)):
            try:
                self._cluster.ask(f"{self._collection}?fieldValidation=Strict", document)
                return True
            except RefusedError as error:
                if error.status == CONFLICT:
                    return False
                if error.status not in RETRIED or not left:
                    raise ClusterError(_advice(error)) from None
                logger.warning("TrainJob not accepted yet, retrying: %s", error)
                time.sleep(PAUSE_S)
        raise AssertionError("unreachable")

    def find(self, name: str) -> Tree | None:
        """Returns a job; None if there is none of that name. Needs only the permission to list."""
        selector = quote(f"metadata.name={name}")
        found = self._cluster.ask(f"{self._collection}?fieldSelector={selector}")
        return next(iter(found.get("items", [])), None)

    def delete(self, name: str) -> None:
        """Deletes a job and waits until it is gone; a job that does not exist is no error.

        Raises:
            ClusterError: It cannot be deleted, or is still there after a minute.
        """
        try:
            self._cluster.delete(f"{self._collection}/{name}")
        except RefusedError as error:
            if error.status != NOT_FOUND:
                raise
        until = time.monotonic() + GONE_WITHIN_S
        while self.find(name):
            if time.monotonic() > until:
                raise ClusterError(f"TrainJob {name} was deleted and is still there")
            time.sleep(min(1.0, PAUSE_S))

    def watch_job(self, name: str, changed: threading.Event) -> Watch:
        """Returns a watch of one job."""
        selector = {"fieldSelector": f"metadata.name={name}"}
        return Watch(self._cluster, self._collection, selector, changed)

    def watch_pods(self, name: str, changed: threading.Event) -> Watch:
        """Returns a watch of a job's pods."""
        selector = {"labelSelector": f"{JOBSET_LABEL}={name}"}
        return Watch(self._cluster, f"{self._core}/pods", selector, changed)

    def pods(self, name: str) -> list[Tree]:
        """Returns a job's pods."""
        selector = quote(f"{JOBSET_LABEL}={name}")
        return self._items(f"{self._core}/pods?labelSelector={selector}")

    def events(self, name: str) -> list[Tree]:
        """Returns the events of a job and of the objects made for it, oldest first.

        Empty where events may not be read: they only add explanations.
        """
        found = self._explaining(f"{self._core}/events")
        about = [each for each in found if str(_about(each).get("name", "")).startswith(name)]
        return sorted(about, key=lambda each: str(each.get("lastTimestamp") or ""))

    def workloads(self) -> list[Tree]:
        """Returns the Workloads of the namespace; empty where they may not be read."""
        return self._explaining(workloads_path(self._cluster.namespace))

    def own_pod(self, name: str) -> Tree:
        """Returns the pod of this process."""
        return self._cluster.ask(f"{self._core}/pods/{name}")

    def _explaining(self, path: str) -> list[Tree]:
        try:
            return self._items(path)
        except ClusterError as error:
            logger.debug("%s cannot be read: %s", path, error)
            return []

    def _items(self, path: str) -> list[Tree]:
        items: list[Tree] = self._cluster.ask(path).get("items", [])
        return items


def _about(event: Tree) -> dict[str, Any]:
    return event.get("involvedObject") or event.get("regarding") or {}


def _advice(error: RefusedError) -> str:
    if error.status == NOT_FOUND:
        return (
            f"a TrainJob cannot be created ({error}): is Kubeflow Trainer installed, and the "
            "component k8s/components/trainer applied?"
        )
    if error.status in (401, 403):
        return (
            f"a TrainJob may not be created ({error}): k8s/components/trainer grants it to the "
            "pipeline's account"
        )
    return f"a TrainJob is refused: {error}"
