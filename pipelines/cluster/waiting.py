"""Why a task of a run waits or was ended, read from its pods: Kubeflow's API tells neither."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from pipelines.cluster.kubernetes_api import TIMEOUT_S, core_api

LABEL = "pipeline/runid"
"""KFP puts it on every pod of a run (kubeflow/pipelines, `LabelKeyWorkflowRunId`)."""
NODE_NAME = "workflows.argoproj.io/node-name"
"""Argo's annotation: the whole path of a pod's node in the graph."""
CONTAINER = "main"
"""Argo's name for the container in which the task runs; beside it are those that wait and fetch."""
Pod = Mapping[str, Any]
_ADVICE = {
    "Unschedulable": "no node can take it: compare the profile's sizes, GPUs, node selector and "
    "tolerations with the nodes (`kubectl describe nodes`)",
    "claim": "its claim is not there or not bound: `kubectl get pvc`; see k8s/README.md",
    "ImagePullBackOff": "its image cannot be pulled: is it pushed, and image_pull_secrets set?",
    "ErrImagePull": "its image cannot be pulled: is it pushed, and image_pull_secrets set?",
    "CreateContainerConfigError": "a Secret or ConfigMap that the profile names, or a key in it, "
    "is missing",
    "OOMKilled": "it needs more memory than the profile gives it",
    "Evicted": "its node took it away; the task is tried again where the controller does so",
    "DeadlineExceeded": "it took longer than timeout_s of the profile",
}


class Finding(NamedTuple):
    """What a pod says."""

    task: str
    """Stage, with the iteration of the run and the partition where it has them."""
    reason: str
    """Kubernetes' word, such as `Unschedulable`."""
    message: str
    """What Kubernetes says, and what to do."""

    def __str__(self) -> str:
        """Returns one line for a person."""
        return f"{self.task}: {self.reason}: {self.message}"


class Place(NamedTuple):
    """What a pod works for."""

    stage: str
    iteration: int | None
    """Counted within the run, from 1: the compiler numbers the uses of a component."""
    partition: int | None

    def __str__(self) -> str:
        """Returns it as lines begin with it, such as `judge 2/p0`."""
        place = "" if self.iteration is None else str(self.iteration)
        place += "" if self.partition is None else f"/p{self.partition}"
        return f"{self.stage} {place}".strip()


class Pods(NamedTuple):
    """The pods of a run, oldest first."""

    pods: list[Pod]
    at: datetime
    """When they were so, by the clock of Kubernetes' API."""


def run_pods(run_id: str, namespace: str, by_hand: str = "") -> Pods:
    """Returns the pods of a run, oldest first, as Kubernetes' API has them.

    Args:
        run_id: The run.
        namespace: Where its pods are.
        by_hand: The command of kubectl that an error names.

    Raises:
        ClusterError: Kubernetes cannot be asked; says how to ask by hand.
    """
    selector = f"{LABEL}={run_id}"
    by_hand = by_hand or f"kubectl get pods -n {namespace} -l {selector}"
    with core_api(f"the pods of run {run_id} in namespace {namespace}", by_hand) as api:
        answer = api.list_namespaced_pod(
            namespace, label_selector=selector, _preload_content=False, _request_timeout=TIMEOUT_S
        )
        pods: list[Pod] = json.loads(answer.data)["items"]
        at = parsedate_to_datetime(answer.headers["Date"])
    return Pods(sorted(pods, key=lambda pod: (_created(pod), pod["metadata"]["name"])), at)


def _created(pod: Pod) -> str:
    return str(pod["metadata"].get("creationTimestamp"))


def is_driver(pod: Pod) -> bool:
    """Returns whether a pod only prepares a task: what it logs is Kubeflow's own."""
    name = pod["metadata"]["name"]
    return "-driver-" in name


def task_of(pod: Pod) -> str:
    """Returns a pod's stage, iteration and partition, such as `judge 2/p0`."""
    place = place_of(pod)
    return str(place) if place else str(pod["metadata"]["name"])


def place_of(pod: Pod) -> Place | None:
    """Returns what a pod works for, read from the path of its node; None if it names none."""
    path = pod["metadata"].get("annotations", {}).get(NODE_NAME, "")
    return place_in(path) if path else None


def place_in(path: str) -> Place:
    """Returns what the path of a node of Argo's stands for."""
    names = [part for part in re.sub(r"\(\d+(:\d+)?\)", "", path).split(".") if part != "executor"]
    found = re.fullmatch(r"(.+?)(?:-(\d+))?", names[-1].removesuffix("-driver"))
    stage, number = (found[1], found[2]) if found else (names[-1], None)
    partitions = re.findall(r"iteration-iterations\((\d+):", path)
    return Place(
        stage.replace("-", "_"),
        int(number) if number else 1 if "loop" in names[:-1] else None,
        int(partitions[-1]) if partitions else None,
    )


def late(found: Pods, start_within_s: float) -> Pod | None:
    """Returns the pod that has waited longest for its start, where that is too long.

    Args:
        found: The pods of a run.
        start_within_s: How long one may take to start: its node, image, claim and Secrets.
    """
    for pod in found.pods:
        if pod.get("status", {}).get("phase") == "Pending":
            created = datetime.fromisoformat(_created(pod))
            if (found.at - created).total_seconds() > start_within_s:
                return pod
    return None


def findings(pods: list[Pod]) -> Iterator[Finding]:
    """Yields what keeps pods from starting, and what ended those that failed, without repeats."""
    seen = set()
    for pod in pods:
        found = explain(pod)
        if found and found not in seen:
            seen.add(found)
            yield found


def explain(pod: Pod) -> Finding | None:
    """Returns why a pod waits or failed; None if it runs or has done its work."""
    status = pod.get("status", {})
    if status.get("phase") in ("Succeeded", "Running"):
        return None
    if status.get("phase") == "Failed":
        return _failed(pod)
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            message = condition.get("message", "")
            kind = "claim" if "persistentvolumeclaim" in message.lower() else "Unschedulable"
            return _finding(pod, condition.get("reason", "Unschedulable"), message, kind)
    for container in _containers(status):
        waiting = container.get("state", {}).get("waiting", {})
        if waiting.get("reason") in _ADVICE:
            return _finding(pod, waiting["reason"], waiting.get("message", ""))
    return None


def _failed(pod: Pod) -> Finding:
    status = pod["status"]
    if status.get("reason"):  # of the pod as a whole: Evicted, DeadlineExceeded
        return _finding(pod, status["reason"], status.get("message", ""))
    for container in _containers(status):
        ended = container.get("state", {}).get("terminated", {})
        if container.get("name") == CONTAINER and ended.get("exitCode"):
            reason = ended.get("reason", "Error")
            return _finding(pod, reason, f"exit code {ended['exitCode']}")
    return _finding(pod, "Failed", status.get("message", ""))


def _containers(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]


def _finding(pod: Pod, reason: str, message: str, kind: str | None = None) -> Finding:
    advice = _ADVICE.get(kind or reason, "")
    said = ". ".join(part.strip().rstrip(".") for part in (message, advice) if part.strip())
    return Finding(task_of(pod), reason, said)
