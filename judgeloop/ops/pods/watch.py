"""A task in parallel to the others that ends a run in which a task waits too long to start.

The exit handler cannot do this, since it runs after them, and neither can a task before them. So
one pod, small and without a GPU, watches the run's pods until the run's work is done. It never
fails: if it may not read or end something, it logs that, and `FOLLOW=1` does the same from outside.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import urlencode

from judgeloop.cluster.answers import ListedPod, checked_items
from judgeloop.cluster.kubernetes import RefusedError, Tree
from judgeloop.cluster.own_pod import OwnCluster
from judgeloop.ops.kubeflow_api import KubeflowApi
from judgeloop.ops.pods.late import Pods, entry_of, is_at_work, late, reason_of, watches
from judgeloop.ops.pods.waiting import LABEL, Pod, created, is_driver, place_of, task_of
from judgeloop.ops.pods.workflow import absent_pods, parse_workflow, workflow_path
from judgeloop.runtime.ledger import Ledger
from judgeloop.runtime.reference import parse_reference
from judgeloop.schema.errors import ClusterError, JudgeLoopError
from judgeloop.store import open_store

logger = logging.getLogger("judgeloop")

POLL_S = 15.0
QUIET_S = 120.0
"""A run without a pod for this many seconds has failed: between two tasks Argo and a driver take
some twenty seconds, a restarted controller a minute."""
SILENT_S = 600.0
"""Stops watching after this many seconds without an answer from Kubernetes."""
LOOK_S = 60.0
"""Seconds between two reads of the Workflow, which may be megabytes."""
LAST = ("promote", "record")
"""The last tasks of a loop's run and of an evaluation."""
OUTSIDE = "only FOLLOW=1 (make submit, make status) ends a run whose task never starts"


class Dated(Protocol):
    """A namespace of Kubernetes whose answers have a timestamp (`judgeloop.cluster.own_pod`)."""

    namespace: str
    at: datetime | None

    def ask(self, path: str, body: Tree | None = None) -> Tree:
        """Requests a path and returns the answer."""
        ...


class Watch:
    """Watches the pods of one run.

    Args:
        cluster: Their namespace.
        run_id: The run.
        within_s: `start_within_s` of the profile.
        pause: Sleeps for some seconds.
        clock: Returns seconds.
    """

    def __init__(
        self,
        cluster: Dated,
        run_id: str,
        within_s: float,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster = cluster
        self._run_id = run_id
        self._within_s = within_s
        self._pause = pause
        self._clock = clock
        self._looked = float("-inf")
        self._refused: list[Pod] = []
        self._worked: datetime | None = None

    def watch(self, end: Callable[[Pod, str], None]) -> str:
        """Polls until the run's work is done or a task is late; returns why it stopped.

        Args:
            end: Ends the run because of a pod, with a reason; a `ClusterError` is retried unless it
                is a refusal.
        """
        answered = busy = self._clock()
        while True:
            now = self._clock()
            try:
                found = self._at_work()
                answered = now
                if any(_is_active(pod) for pod in found.pods):
                    busy = now
                elif any(_is_last(pod) for pod in self._list("")):
                    return "the run's work is done"
                elif now - busy > QUIET_S:
                    return f"no pod of the run has worked for {QUIET_S:.0f} s"
            except ClusterError as error:
                if _is_final(error):
                    return f"this account may not list the pods of a run ({error}): {OUTSIDE}"
                if now - answered > SILENT_S:
                    return f"Kubernetes does not answer ({error}): {OUTSIDE}"
            else:
                if said := self._end_late(found, end):
                    return said
            self._pause(POLL_S)

    def _end_late(self, found: Pods, end: Callable[[Pod, str], None]) -> str:
        """Ends the run if one of its pods is late; returns the result, empty if none is late."""
        pod = late(found, self._within_s, self._worked)
        if pod is None:
            return ""
        reason = reason_of(pod, self._within_s)
        logger.error("%s: %s; ending the run", task_of(pod), reason)
        try:
            end(pod, reason)
        except ClusterError as error:
            logger.error("the run cannot be ended from here (%s): %s", error, OUTSIDE)
            return "nothing here ends the run" if _is_final(error) else ""
        return f"{task_of(pod)} was {reason}"

    def _at_work(self) -> Pods:
        """Returns the run's pods except succeeded ones, and with those that were refused."""
        pods = self._list("status.phase!=Succeeded")
        at = self._cluster.at or datetime.now(UTC)
        if self._clock() - self._looked >= LOOK_S:
            self._looked = self._clock()
            self._refused = self._look_at_workflow()
        if any(is_at_work(pod) for pod in pods):
            self._worked = at
        return Pods(sorted([*pods, *self._refused], key=created), at)

    def _list(self, fields: str) -> list[Pod]:
        """Returns the run's pods except this one, filtered by field selectors, if any are given."""
        query = urlencode({"labelSelector": f"{LABEL}={self._run_id}", "fieldSelector": fields})
        answer = self._cluster.ask(f"/api/v1/namespaces/{self._cluster.namespace}/pods?{query}")
        return [pod for pod in checked_items(answer, ListedPod) if not watches(pod)]

    def _look_at_workflow(self) -> list[Pod]:
        try:
            answer = self._cluster.ask(workflow_path(self._cluster.namespace, self._run_id))
            workflow = parse_workflow(answer)
            return list(absent_pods(workflow, self._list(""))) if workflow else []
        except ClusterError as error:
            logger.debug("pods that are refused are not seen: %s", error)
            return []


def watch_run(config: str, loop_id: str, run_id: str, start_within_s: int) -> None:
    """Watches the run of this pod's task, and ends it if another task is late.

    It never fails, and also works without the store: the reason is then only in its log.

    Args:
        config: The reference to the configuration.
        loop_id: The loop.
        run_id: Kubeflow's id of the run.
        start_within_s: Seconds that a task may wait for its node, image, claim and Secrets.
    """

    def end(pod: Pod, reason: str) -> None:
        try:
            given = parse_reference(config)
            entry = entry_of(place_of(pod), given.first, reason)
            Ledger(open_store(given.store), loop_id).record(entry)
        except (JudgeLoopError, OSError) as error:
            logger.error("cannot write the reason to the ledger: %s", error)
        KubeflowApi().post(f"runs/{run_id}:terminate", None, dict[str, Any])

    try:
        said = Watch(OwnCluster(), run_id, start_within_s).watch(end)
    except ClusterError as error:
        said = str(error)
    logger.info("stopped watching: %s", said)


def _is_final(error: ClusterError) -> bool:
    """Returns whether a retry would be refused again."""
    return isinstance(error, RefusedError) and error.status in (401, 403)


def _is_active(pod: Pod) -> bool:
    return pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")


def _is_last(pod: Pod) -> bool:
    """Returns whether a pod was the last one of its run, and has done its work."""
    place = place_of(pod)
    succeeded = pod.get("status", {}).get("phase") == "Succeeded"
    return succeeded and place is not None and place.stage in LAST and not is_driver(pod)
