"""Why a task of a run waits or was ended, read from its pods: Kubeflow's API shows neither."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

LABEL = "pipeline/runid"
"""KFP sets it on every pod of a run (kubeflow/pipelines, `LabelKeyWorkflowRunId`)."""
NODE_NAME = "workflows.argoproj.io/node-name"
"""Argo's annotation: the whole path of a pod's node in the graph."""
CONTAINER = "main"
"""Argo's name for the container in which the task runs; the others wait and transfer files."""
WATCH = "watch"
"""The task that watches the others of its run (`judgeloop.ops.pods.watch`)."""
NOT_CREATED = "NotCreated"
"""The reason of a pod that admission refused, which only the Workflow shows
(`judgeloop.ops.pods.workflow`)."""
LOST = "PodDeleted"
"""The reason of a pod that existed and is gone, which only the Workflow shows."""
DISRUPTED = ("DisruptionTarget", "TerminationTarget")
"""Condition of a pod that is being removed: set by Kubernetes for a drain, an eviction or its
scheduler's preemption, and by Kueue for its own (0.19, `pkg/controller/jobs/pod`)."""
SIGTERM = "143"
"""Exit code of a container that was terminated, because its pod is removed or the run cancelled."""
Pod = Mapping[str, Any]
_AGAIN = (
    "it is tried again where the controller does so, else the loop's next run goes on after the "
    "last complete shard (loop.reruns)"
)
_LOST = f"its node or its queue took it away, or a person deleted it: {_AGAIN}"
_TERMINATED = (
    "it was terminated: by its node, its queue, a person or the end of window_s of its retries. "
    f"After a cancel nothing follows; otherwise {_AGAIN}"
)
_ADVICE = {
    "Unschedulable": "no node can take it: compare the profile's sizes, GPUs, node selector and "
    "tolerations with the nodes (`kubectl describe nodes`)",
    "claim": "its claim is not there or not bound: `kubectl get pvc`; see k8s/README.md",
    "ImagePullBackOff": "its image cannot be pulled: is it pushed, and image_pull_secrets set?",
    "ErrImagePull": "its image cannot be pulled: is it pushed, and image_pull_secrets set?",
    "CreateContainerConfigError": "a Secret or ConfigMap that the profile names, or a key in it, "
    "is missing",
    "OOMKilled": "it needs more memory than the profile gives it",
    "SchedulingGated": "its queue has not admitted it: `kubectl describe workloads`; where that "
    "may take longer, raise start_within_s of the profile",
    "must specify": "a quota counts what Kubeflow's own containers do not ask for: a LimitRange "
    "with defaults belongs beside it (k8s/components/quota)",
    "exceeded quota": "the namespace's quota is used up; it is tried again until there is room",
    "violates PodSecurity": "the namespace refuses such pods: `make doctor-kubeflow` says which",
    "Evicted": _LOST,
    LOST: _LOST,
    SIGTERM: _TERMINATED,
    **dict.fromkeys(DISRUPTED, _LOST),
    "DeadlineExceeded": "it took longer than timeout_s of the profile",
}


class Finding(NamedTuple):
    """Why a pod waits or ended."""

    task: str
    """Stage, with the iteration of the run and the partition, if it has them."""
    reason: str
    """Kubernetes' reason, such as `Unschedulable`."""
    message: str
    """Kubernetes' message, and what to do."""

    def __str__(self) -> str:
        """Returns one line for a person."""
        return f"{self.task}: {self.reason}: {self.message}"


class Place(NamedTuple):
    """The task of a pod."""

    stage: str
    iteration: int | None
    """Counted within the run, from 1: the compiler numbers the uses of a component."""
    partition: int | None

    def __str__(self) -> str:
        """Returns the task as the beginning of a line, such as `judge 2/p0`."""
        place = "" if self.iteration is None else str(self.iteration)
        place += "" if self.partition is None else f"/p{self.partition}"
        return f"{self.stage} {place}".strip()


def created(pod: Pod) -> str:
    """Returns when a pod was created, in ISO 8601; empty if unknown."""
    return str(pod["metadata"].get("creationTimestamp", ""))


def is_driver(pod: Pod) -> bool:
    """Returns whether a pod only prepares a task: its log is Kubeflow's own."""
    name = pod["metadata"]["name"]
    path = pod["metadata"].get("annotations", {}).get(NODE_NAME, "")
    return "-driver-" in name or "-driver(" in path.rpartition(".")[2]


def task_of(pod: Pod) -> str:
    """Returns a pod's stage, iteration and partition, such as `judge 2/p0`."""
    place = place_of(pod)
    return str(place) if place else str(pod["metadata"]["name"])


def place_of(pod: Pod) -> Place | None:
    """Returns the task of a pod, from the path of its node; None if it has none."""
    path = pod["metadata"].get("annotations", {}).get(NODE_NAME, "")
    return place_in(path) if path else None


def place_in(path: str) -> Place:
    """Returns the task in the path of an Argo node."""
    names = [part for part in re.sub(r"\(\d+(:\d+)?\)", "", path).split(".") if part != "executor"]
    last = names[-1].removesuffix("-driver") if names else ""
    found = re.fullmatch(r"(.+?)(?:-(\d{1,9}))?", last)
    stage, number = (found[1], found[2]) if found else (last, None)
    partitions = re.findall(r"iteration-iterations\((\d{1,9}):", path)
    return Place(
        stage.replace("-", "_"),
        int(number) if number else 1 if "loop" in names[:-1] else None,
        int(partitions[-1]) if partitions else None,
    )


def findings(pods: Sequence[Pod]) -> Iterator[Finding]:
    """Yields what keeps pods from starting, and why pods failed, without repeats."""
    seen = set()
    for pod in pods:
        found = explain(pod)
        if found and found not in seen:
            seen.add(found)
            yield found


def explain(pod: Pod) -> Finding | None:
    """Returns why a pod waits, is removed or failed; None if it runs or has succeeded."""
    status = pod.get("status", {})
    if status.get("reason") == NOT_CREATED:
        message = status.get("message", "")
        kind = next((each for each in _ADVICE if each in message), None)
        return _finding(pod, NOT_CREATED, message, kind)
    if status.get("phase") == "Succeeded":
        return None
    if status.get("phase") == "Failed" and status.get("reason"):  # of the pod as a whole: Evicted,
        return _finding(pod, status["reason"], status.get("message", ""))  # DeadlineExceeded
    for condition in status.get("conditions", []):
        if condition["type"] in DISRUPTED and condition["status"] == "True":
            reason = condition.get("reason", condition["type"])
            return _finding(pod, reason, condition.get("message", ""), condition["type"])
    if status.get("phase") == "Running":
        return _removed(pod)
    if status.get("phase") == "Failed":
        return _failed(pod)
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            message = condition.get("message", "")
            reason = condition.get("reason", "Unschedulable")
            kind = "claim" if "persistentvolumeclaim" in message.lower() else reason
            return _finding(pod, reason, message, kind)
    for container in _containers(status):
        waiting = container.get("state", {}).get("waiting", {})
        if waiting.get("reason") in _ADVICE:
            return _finding(pod, waiting["reason"], waiting.get("message", ""))
    return None


def _removed(pod: Pod) -> Finding | None:
    """Returns the finding for a running pod that is being deleted for an unknown reason."""
    if not pod["metadata"].get("deletionTimestamp"):
        return None
    return _finding(pod, "Terminating", "it is being deleted", LOST)


def _failed(pod: Pod) -> Finding:
    status = pod["status"]
    for container in _containers(status):
        ended = container.get("state", {}).get("terminated", {})
        if container.get("name") == CONTAINER and ended.get("exitCode"):
            reason = ended.get("reason", "Error")
            code = str(ended["exitCode"])
            return _finding(pod, reason, f"exit code {code}", SIGTERM if code == SIGTERM else None)
    return _finding(pod, "Failed", status.get("message", ""))


def _containers(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]


def _finding(pod: Pod, reason: str, message: str, kind: str | None = None) -> Finding:
    advice = _ADVICE.get(kind or reason, "")
    said = ". ".join(part.strip().rstrip(".") for part in (message, advice) if part.strip())
    return Finding(task_of(pod), reason, said)
