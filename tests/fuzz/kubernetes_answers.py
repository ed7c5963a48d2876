"""Answers of Kubernetes' API, given to everything that reads one."""

from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from judgeloop.cluster.answers import moment_of, tree_of
from judgeloop.cluster.kubernetes import Tree
from judgeloop.ops.doctor.admission import check_admission
from judgeloop.ops.doctor.namespace import (
    check_claim,
    check_defaults,
    check_nodes,
    check_references,
)
from judgeloop.ops.doctor.needs import Named, Needs, Toleration
from judgeloop.ops.doctor.quota import check_quotas
from judgeloop.ops.pods.late import Pods, entry_of, late, reason_of
from judgeloop.ops.pods.waiting import findings, is_driver, place_of, task_of
from judgeloop.ops.pods.watch import Watch
from judgeloop.ops.pods.workflow import absent_pods, parse_workflow
from judgeloop.runtime import holder_pod
from judgeloop.schema.errors import JudgeLoopError
from pipelines.cluster.run_pods import read_pods

HERE = "cluster team pod-0 uid-0"
DATE = "Sat, 28 Nov 2026 12:00:00 GMT"
NEEDS = Needs(
    tasks={"training": {"cpu": "8", "memory": "16Gi", "nvidia.com/gpu": 1}, "cpu": {"cpu": "1"}},
    claim="models",
    secrets=(Named(name="store", keys=("KEY",)),),
    node_selector={"pool": "gpu"},
    tolerations=(Toleration(key="gpu", operator="Exists"),),
)
NODES = {
    "a": {"id": "a", "name": "x(0).judge-2(0)", "type": "Pod", "phase": "Pending",
          "message": "exceeded quota", "startedAt": "2026-11-28T11:00:00Z"},
}  # fmt: skip
STATUS = {
    "nodes": NODES,
    "phase": "Pending",
    "reason": "Evicted",
    "message": "m",
    "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}],
    "initContainerStatuses": [{"name": "init", "state": {"waiting": {"reason": "ErrImagePull"}}}],
    "containerStatuses": [
        {
            "name": "main",
            "state": {"terminated": {"exitCode": 137, "finishedAt": "2026-11-28T11:30:00Z"}},
        }
    ],
    "allocatable": {"cpu": "64", "memory": "512Gi"},
    "hard": {"requests.cpu": "4"},
}
OBJECT: dict[str, Any] = {
    "metadata": {
        "name": "judge-driver-1",
        "uid": "uid-0",
        "creationTimestamp": "2026-11-28T11:00:00Z",
        "labels": {"pool": "gpu"},
        "annotations": {
            "workflows.argoproj.io/node-name": "x(0).loop(0).iteration-iterations(1:1)(0).judge-2",
            "storageclass.kubernetes.io/is-default-class": "true",
        },
    },
    "spec": {
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "fast",
        "hard": {"requests.cpu": "4", "limits.memory": "1Gi"},
        "scopes": ["Terminating"],
        "scopeSelector": {"matchExpressions": [{"scopeName": "NotBestEffort"}]},
        "limits": [{"type": "Container", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "1"}}],
        "taints": [{"key": "gpu", "effect": "NoSchedule", "value": "yes"}],
    },
    "status": STATUS,
    "volumeBindingMode": "WaitForFirstConsumer",
    "data": {"KEY": "dg=="},
    "binaryData": {"OTHER": "dg=="},
}
TREE: dict[str, Any] = {**OBJECT, "items": [OBJECT, {**OBJECT, "status": {"phase": "Running"}}]}
"""An object and a list in one: each reader takes of it what it looks for."""


class Given:
    """A namespace whose API answers everything alike."""

    namespace = "team"
    at: datetime | None = None

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def ask(self, path: str, body: Tree | None = None) -> Tree:
        return tree_of(self._answer)


def kubernetes(data: bytes, _: Path) -> None:
    cluster = Given(data)
    for check in (
        lambda: check_claim(NEEDS, cluster),
        lambda: check_references("secrets", NEEDS.secrets, cluster),
        lambda: check_defaults(cluster),
        lambda: check_nodes(NEEDS, cluster),
        lambda: check_quotas(NEEDS.tasks, cluster),
        lambda: check_admission(NEEDS, cluster),
    ):
        with suppress(JudgeLoopError):
            check().encode("utf-8", "surrogateescape")
    with (
        patch.object(holder_pod, "this_pod", lambda: HERE),
        patch.object(holder_pod, "_read", cluster.ask),
    ):
        holder_pod.is_pod_gone(HERE)
    with suppress(JudgeLoopError):
        watched = Watch(cluster, "run", 1800)
        pods = watched._list("")
        workflow = parse_workflow(tree_of(data))
        refused = list(absent_pods(workflow, pods)) if workflow else []
        late(Pods([*pods, *refused], moment_of(DATE)), 1800)
    found = read_pods(data, DATE)
    for finding in findings(found.pods):
        str(finding)
    for pod in found.pods:
        entry_of(place_of(pod), 1, f"{task_of(pod)} {is_driver(pod)} {reason_of(pod, 1800)}")
    late(found, 1800)
