"""What a namespace lacks is found before anything is paid for; what may not be seen is unknown."""

from pathlib import Path
from typing import Any

import pytest

from judgeloop.cluster.kubernetes import FailFastCluster, RefusedError, Tree
from judgeloop.ops.doctor.admission import check_admission, task_pod
from judgeloop.ops.doctor.namespace import (
    check_claim,
    check_defaults,
    check_nodes,
    check_references,
    check_variables,
    check_writable,
)
from judgeloop.ops.doctor.needs import Named, Needs, Toleration, parse_needs
from judgeloop.ops.doctor.preflight import run_check
from judgeloop.ops.doctor.retries import check_retries
from judgeloop.schema.errors import ClusterError, PreflightError

NAMESPACE = "/api/v1/namespaces/team"
CLAIM = f"{NAMESPACE}/persistentvolumeclaims/models"
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
MAP = "/api/v1/namespaces/kubeflow/configmaps/workflow-controller-configmap"
GPU = {"cpu": "8", "memory": "64Gi", "nvidia.com/gpu": 1}
TAINT = {"key": "nvidia.com/gpu", "effect": "NoSchedule"}
TOLERATED = Toleration(key="nvidia.com/gpu", operator="Exists")


class Answers:
    """A namespace that answers what it is given; a number is a refusal with that status."""

    namespace = "team"

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.posted: list[Tree] = []

    def ask(self, path: str, body: Tree | None = None) -> Tree:
        found = self.answers.get(path, 404)
        if body is not None:
            self.posted.append(body)
        if isinstance(found, Exception):
            raise found
        if isinstance(found, int):
            raise RefusedError(found, "no such thing" if found == 404 else "forbidden")
        answer: Tree = found
        return answer


def claim(phase: str, storage: str | None = "nfs") -> Tree:
    spec = {"accessModes": ["ReadWriteMany"], **({"storageClassName": storage} if storage else {})}
    return {CLAIM: {"spec": spec, "status": {"phase": phase}}}


DEFAULT = "storageclass.kubernetes.io/is-default-class"
LATE = {"volumeBindingMode": "WaitForFirstConsumer",
        "metadata": {"annotations": {DEFAULT: "true"}}}  # fmt: skip


@pytest.mark.parametrize(
    ("answers", "state", "said"),
    [
        (claim("Bound"), "ok", "is bound (ReadWriteMany)"),
        ({}, "FAILED", "is not there, and tasks that mount it never start"),
        (claim("Pending") | {f"{CLASSES}/nfs": {}}, "FAILED", "can it do ReadWriteMany"),
        (claim("Pending"), "FAILED", "Does that class exist"),
        (claim("Lost") | {f"{CLASSES}/nfs": LATE}, "FAILED", "is Lost, not Bound"),
        (claim("Pending") | {f"{CLASSES}/nfs": LATE}, "ok", "when the first pod mounts it"),
        (claim("Pending", None) | {CLASSES: {"items": [LATE]}}, "ok", "the default class waits"),
        (claim("Pending") | {f"{CLASSES}/nfs": 403}, "unknown", "403: forbidden"),
        ({CLAIM: 403}, "unknown", "403: forbidden"),
    ],
)
def test_a_claim_is_bound_or_will_be_or_would_keep_tasks_waiting(
    answers: Tree, state: str, said: str
) -> None:
    found = run_check("claim", lambda: check_claim(Needs(claim="models"), Answers(answers)))
    assert (found.state, said in found.said) == (state, True), found


STORE = Named(name="store", keys=("A", "B"))
HUB = Named(name="hub", keys=("T",), optional=True)


@pytest.mark.parametrize(
    ("answers", "state", "said"),
    [
        ({"store": {"data": {"A": "", "B": ""}}, "hub": {"data": {"T": ""}}}, "ok", "hub, store"),
        ({"store": {"data": {"A": "", "B": ""}}}, "ok", "but for the optional hub"),
        ({"store": {"data": {"A": ""}}}, "FAILED", "team lacks store (B)"),
        ({}, "FAILED", "team lacks store,"),
        ({"store": 403}, "unknown", "403"),
    ],
)
@pytest.mark.parametrize("kind", ["secrets", "configmaps"])
def test_secrets_and_configmaps_have_the_keys_that_the_profile_names(
    kind: str, answers: Tree, state: str, said: str
) -> None:
    cluster = Answers({f"{NAMESPACE}/{kind}/{name}": held for name, held in answers.items()})
    found = run_check("secrets", lambda: check_references(kind, [STORE, HUB], cluster))
    assert (found.state, said in found.said) == (state, True), found


def test_a_pod_says_which_variables_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = Needs(secrets=(STORE,), settings=(HUB,))
    for name in ("A", "B", "T"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(PreflightError, match="this pod lacks A of store, B of store"):
        check_variables(needs)
    monkeypatch.setenv("A", "x")
    monkeypatch.setenv("B", "x")
    assert check_variables(needs).endswith("not set: T of hub")


@pytest.mark.parametrize(
    ("hard", "limits", "state"),
    [
        ({"pods": "10", "requests.nvidia.com/gpu": "4"}, {}, "ok"),
        ({"limits.cpu": "4"}, {}, "FAILED"),
        ({"limits.cpu": "4", "requests.memory": "1Gi"}, {"default": {"cpu": "1"}}, "FAILED"),
        ({"limits.cpu": "4"}, {"defaultRequest": {"cpu": "1"}}, "FAILED"),
        ({"limits.cpu": "4", "cpu": "4"}, {"default": {"cpu": "1"}}, "ok"),
        ({"requests.memory": "1Gi"}, {"defaultRequest": {"memory": "1Mi"}}, "ok"),
    ],
)
def test_a_quota_needs_a_limitrange_with_what_it_counts(
    hard: Tree, limits: Tree, state: str
) -> None:
    ranges = [{"spec": {"limits": [{"type": "Container", **limits}]}}] if limits else []
    cluster = Answers({
        f"{NAMESPACE}/resourcequotas": {"items": [{"spec": {"hard": hard}}]},
        f"{NAMESPACE}/limitranges": {"items": ranges},
    })  # fmt: skip
    assert run_check("defaults", lambda: check_defaults(cluster)).state == state


def node(name: str = "n", taints: tuple[Tree, ...] = (TAINT,), **allocatable: str) -> Tree:
    held = {"cpu": "64", "memory": "512Gi", "nvidia.com/gpu": "4", **allocatable}
    return {"metadata": {"name": name, "labels": {"pool": "gpu"}}, "spec": {"taints": [*taints]},
            "status": {"allocatable": held}}  # fmt: skip


@pytest.mark.parametrize(
    ("nodes", "changes", "state", "said"),
    [
        ([node()], {}, "ok", "one of 1 node(s)"),
        ([], {}, "FAILED", "there is no node"),
        ([node()], {"tolerations": ()}, "FAILED", "has the taint nvidia.com/gpu:NoSchedule"),
        ([node()], {"node_selector": {"pool": "cpu"}}, "FAILED", "has no label pool=cpu"),
        ([node(cpu="4")], {}, "FAILED", "n has 4 cpu, asked is 8"),
        ([node("a", cpu="4", memory="1Gi"), node("b", cpu="4")], {}, "FAILED", ": b has 4 cpu"),
        ([node(taints=({"key": "x", "effect": "PreferNoSchedule"},))], {}, "ok", ""),
    ],
)
def test_some_node_can_hold_each_task_or_the_nearest_says_why_not(
    nodes: list[Tree], changes: Tree, state: str, said: str
) -> None:
    needs = Needs(**{"tasks": {"training": GPU}, "tolerations": (TOLERATED,), **changes})
    cluster = Answers({"/api/v1/nodes": {"items": nodes}})
    found = run_check("nodes", lambda: check_nodes(needs, cluster))
    assert (found.state, said in found.said) == (state, True), found


def test_a_task_without_a_model_does_without_selector_and_tolerations() -> None:
    needs = Needs(tasks={"cpu": {"cpu": "1"}}, node_selector={"pool": "other"})
    cluster = Answers({"/api/v1/nodes": {"items": [node(taints=())]}})
    assert "fits" in check_nodes(needs, cluster)


@pytest.mark.parametrize(
    ("answer", "state", "said"),
    [
        ({"kind": "Pod"}, "ok", "is admitted (cpu, training)"),
        (RefusedError(403, 'violates PodSecurity "restricted"'), "FAILED", "pod of `cpu`"),
        (RefusedError(403, "failed quota: q: must specify limits.cpu for: init"), "FAILED", "init"),
        (RefusedError(403, "exceeded quota: q, requested: pods=1"), "unknown", "full at this"),
        (RefusedError(403, 'User "x" cannot create resource "pods"'), "unknown", "dryRun=All"),
        (RefusedError(500, "webhook is away"), "unknown", "webhook is away"),
        (ClusterError("does not answer"), "unknown", "does not answer"),
    ],
)  # fmt: skip
def test_admission_is_asked_without_making_a_pod(answer: Any, state: str, said: str) -> None:
    needs = Needs(tasks={"cpu": {"cpu": "1"}, "training": GPU})
    cluster = Answers({f"{NAMESPACE}/pods?dryRun=All": answer})
    found = run_check("admission", lambda: check_admission(needs, cluster, "runner"))
    assert (found.state, said in found.said) == (state, True), found


def test_the_pod_that_is_asked_about_is_the_task_s() -> None:
    needs = Needs(tasks={"training": GPU}, claim="models", node_selector={"pool": "gpu"},
                  tolerations=(TOLERATED,), images={"training": "i@sha256:0"})  # fmt: skip
    spec = task_pod("training", needs, "runner")["spec"]
    main = spec["containers"][1]
    assert main["resources"]["limits"] == {"cpu": "8", "memory": "64Gi", "nvidia.com/gpu": "1"}
    assert (main["image"], main["securityContext"]["runAsUser"]) == ("i@sha256:0", 1000)
    assert spec["volumes"][1]["persistentVolumeClaim"] == {"claimName": "models"}
    assert spec["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists"}]
    assert (spec["nodeSelector"], spec["serviceAccountName"]) == ({"pool": "gpu"}, "runner")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"templateDefaults": "retryStrategy: {limit: 2, retryPolicy: OnError}"},
         "a deleted or evicted pod is tried again up to 2 times, a container that failed never"),
        ({"templateDefaults": "retryStrategy: {limit: '0', retryPolicy: Always}"},
         "each task is tried again up to 2 times, whatever ended it, and no level above it"),
        ({"config": "templateDefaults:\n  retryStrategy: {limit: '2', retryPolicy: Always}"},
         "at every level of the pipeline"),
        ({}, "retryPolicy is none"),
    ],
)  # fmt: skip
def test_the_controller_s_setting_is_told_by_what_it_means(data: Tree, said: str) -> None:
    assert said in check_retries(Answers({MAP: {"data": data}}), 2)


@pytest.mark.parametrize("answer", [403, 404, {"data": {"config": "[: no"}}])
def test_a_controller_s_setting_that_cannot_be_read_is_unknown(answer: Any) -> None:
    assert run_check("retries", lambda: check_retries(Answers({MAP: answer}))).state == "unknown"


def test_a_cluster_that_does_not_answer_is_asked_once() -> None:
    cluster = Answers({"/a": ClusterError("silent"), "/b": 403, "/c": {}})
    once = FailFastCluster(cluster)
    with pytest.raises(RefusedError):
        once.ask("/b")
    assert once.ask("/c") == {}
    for path in ("/a", "/c"):
        with pytest.raises(ClusterError, match="silent"):
            once.ask(path)


def test_the_volume_for_models_is_tried_by_a_file_that_is_gone_after(tmp_path: Path) -> None:
    needs = parse_needs({"claim": "models", "claim_path": str(tmp_path)})
    assert check_writable(needs) == f"{tmp_path} can be written"
    assert list(tmp_path.iterdir()) == []
    away = parse_needs({"claim": "models", "claim_path": str(tmp_path / "away")})
    with pytest.raises(PreflightError, match="the volume models, cannot be written by user"):
        check_writable(away)
    assert "names no model_cache" in check_writable(parse_needs({}))
