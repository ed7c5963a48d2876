"""Follows a TrainJob to its end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from judgeloop.cluster.kubernetes import Tree
from judgeloop.cluster.workloads import INADMISSIBLE, why_queued
from judgeloop.schema.errors import ClusterError, JudgeLoopError, TrainingError
from judgeloop.trainjob.job_state import (
    OUT_OF_MEMORY,
    Ended,
    disrupted,
    ended_container,
    failure_of,
    is_at_work,
    state_of,
    why_waiting,
)
from judgeloop.trainjob.jobs import Jobs

logger = logging.getLogger(__name__)

TICK_S = 5.0
"""Longest time between two checks of the clock."""
TEXT_S = 10.0
"""How long to wait for the pod's end after its job's: the two are reported in either order."""
Clock = Callable[[], float]


class Follower:
    """Follows one job.

    Args:
        jobs: The namespace's jobs.
        name: Name of the job.
        start_within_s: How long it may take to be ready, once admitted.
        report: Called with the job's state whenever that changes, such as `queued: needs 1 more
            nvidia.com/gpu`.
        clock: Returns seconds.
    """

    def __init__(
        self,
        jobs: Jobs,
        name: str,
        start_within_s: float,
        report: Callable[[str], None],
        clock: Clock = time.monotonic,
    ) -> None:
        self._jobs, self._name, self._clock = jobs, name, clock
        self._start_within_s = start_within_s
        self._changed = threading.Event()
        self._job = jobs.watch_job(name, self._changed)
        self._pods = jobs.watch_pods(name, self._changed)
        self._not_ready_since = clock()
        self.ready_s = 0.0
        """How long the job's pod has run, as far as it was seen."""
        self._ready_at: float | None = None
        self._reported = ""
        self._report = report

    def follow(self) -> None:
        """Returns when the job is complete.

        Raises:
            TrainingError, or the error whose exit code the pod had: The job failed; the message
                is what its pod said.
            ClusterError: It did not start in time, was deleted by somebody, or may not be watched.
        """
        self._job.start()
        self._pods.start()
        try:
            while True:
                self._changed.wait(TICK_S)
                self._changed.clear()
                if self._look():
                    return
        finally:
            self._job.stop()
            self._pods.stop()

    def _look(self) -> bool:
        """Returns whether the job is complete."""
        for watch in (self._job, self._pods):
            if watch.refused:
                raise ClusterError(
                    f"TrainJob {self._name} cannot be watched ({watch.refused}): see "
                    "k8s/components/trainer for the rights of the pipeline's account"
                )
        job = self._job.objects.get(self._name)
        if job is None:
            if self._job.listed:
                raise ClusterError(
                    f"TrainJob {self._name} was deleted from outside: the next attempt creates it"
                )
            return False
        self._count(state_of(job) == "ready")
        match state_of(job):
            case "complete":
                return True
            case "failed":
                self._fail(job)
            case "suspended":
                self._queued(job)
            case "ready":
                self._tell("runs")
                self._not_ready_since = self._clock()
            case "waiting":
                self._waits()
        return False

    def _count(self, ready: bool) -> None:
        """Adds the time since the last check, if the job was running then."""
        now = self._clock()
        if self._ready_at is not None:
            self.ready_s += now - self._ready_at
        self._ready_at = now if ready else None

    def _queued(self, job: Tree) -> None:
        """Waits for a queue without a time limit, unless the queue does not exist."""
        why = why_queued(self._jobs.workloads(), job["metadata"]["uid"])
        self._tell(f"queued: {why}" if why else "queued", why.message if why else "")
        if why is None or why.reason != INADMISSIBLE:
            self._not_ready_since = self._clock()
        self._refuse_late(str(why or "its queue does not say why"))

    def _waits(self) -> None:
        if reason := disrupted([*self._pods.objects.values(), *self._pods.gone.values()]):
            self._tell(f"its pod was taken from its node ({reason}); a new one resumes")
        if self._clock() - self._not_ready_since > self._start_within_s:
            self._refuse_late(
                why_waiting(self._pods.objects.values(), self._jobs.events(self._name))
            )

    def _refuse_late(self, why: str) -> None:
        if self._clock() - self._not_ready_since > self._start_within_s:
            raise ClusterError(
                f"TrainJob {self._name} did not start within {self._start_within_s:.0f} s: {why}"
            )

    def _tell(self, said: str, words: str = "") -> None:
        """Reports a change of the job's state to the log and to the callback."""
        if said != self._reported:
            logger.info("TrainJob %s: %s%s", self._name, said, words and f" ({words})")
            self._reported = said
            self._report(said)

    def _fail(self, job: Tree) -> NoReturn:
        reason, message = failure_of(job)
        if reason == "DeadlineExceeded":  # the pod and its log were deleted with the job
            raise TrainingError(
                f"TrainJob {self._name} took longer than timeout_s of the profile: it resumes from "
                "its last checkpoint"
            )
        pods = self._ended_pods()
        if ended := ended_container(pods):
            raise error_of(self._name, ended, disrupted(pods, ended.started_at))
        why = disrupted(pods) or message or reason
        raise ClusterError(f"TrainJob {self._name} failed, and no pod says why: {why}")

    def _ended_pods(self) -> list[Tree]:
        """Returns the job's pods once the running ones have reported their end, or time is up.

        The end of a pod that was evicted earlier is not that of the job.
        """
        until = self._clock() + TEXT_S
        while True:
            there = list(self._pods.objects.values())
            pods = [*there, *self._pods.gone.values()]
            ended = ended_container(pods) and not any(map(is_at_work, there))
            if ended or self._clock() > until:
                return pods
            self._changed.wait(1.0)
            self._changed.clear()


def error_of(name: str, ended: Ended, disruption: str = "") -> JudgeLoopError:
    """Returns the error that a pod ended with, by its exit code.

    Args:
        name: Name of the job.
        ended: How its container ended.
        disruption: Why the pod was taken from its node, if it was.
    """
    if ended.reason == OUT_OF_MEMORY:
        return TrainingError(
            f"TrainJob {name}: out of memory (exit code {ended.exit_code}): give training more "
            "memory in the profile, or lower training.micro_batch_size"
        )
    if disruption:
        return ClusterError(
            f"TrainJob {name}: its pod was taken from its node ({disruption}): the next attempt "
            "resumes from its last checkpoint"
        )
    kinds = {kind.exit_code: kind for kind in JudgeLoopError.__subclasses__()}
    kind = kinds.get(ended.exit_code, TrainingError)
    said = ended.said or f"exit code {ended.exit_code} and no text"
    return kind(f"TrainJob {name}: {said}")
