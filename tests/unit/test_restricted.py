"""The pods of tasks pass the pod security standard `restricted`; each planted fault is found."""

import copy
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from judgeloop.ops.doctor.kubeflow_pod import kubeflow_pod
from k8s.check import check_pod
from k8s.restricted import violations
from k8s.task_pods import task_pods
from pipelines.compile import compile_pipeline
from pipelines.profile import Claim, read_profile
from pipelines.spec import read_spec
from tests.conftest import REPOSITORY

RECORDED = REPOSITORY.parent / "shared/cases/cluster/kfp/pods/judgeloop-model-task.json"
Tree = dict[str, Any]


@pytest.fixture(scope="module")
def pods(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tree]:
    """The pods of the pipeline's tasks, by executor."""
    package = tmp_path_factory.mktemp("pods") / "p.yaml"
    profile = msgspec.structs.replace(
        read_profile("one-gpu"), queue="judgeloop", node_selector={"pool": "gpu"},
        model_cache=Claim(name="judgeloop-models", path="/models"),
    )  # fmt: skip
    compile_pipeline(package, 1, 1, profile)
    return dict(task_pods(read_spec(package)))


def test_every_task_s_pod_is_valid_and_admitted_everywhere(pods: dict[str, Tree]) -> None:
    assert len(pods) == 15
    assert [said for pod in pods.values() for said in check_pod(pod)] == []


def test_the_pod_of_a_task_has_what_the_profile_says(pods: dict[str, Tree]) -> None:
    spec = pods["exec-train"]["spec"]
    main = spec["containers"][1]
    assert main["resources"]["limits"] == {"cpu": "8", "memory": "64Gi", "nvidia.com/gpu": "1"}
    assert main["securityContext"]["runAsUser"] == 1000
    assert {each["name"] for each in spec["volumes"]} == {"shm", "tmp", "judgeloop-models"}
    assert {each["mountPath"] for each in main["volumeMounts"]} == {"/dev/shm", "/tmp", "/models"}
    assert spec["nodeSelector"] == {"pool": "gpu"}
    assert "AWS_SECRET_ACCESS_KEY" in {each["name"] for each in main["env"]}
    for stage in ("filter", "watch"):
        assert "nodeSelector" not in pods[f"exec-{stage}"]["spec"]


@pytest.mark.skipif(not RECORDED.is_file(), reason=f"no recorded pod in {RECORDED}")
def test_the_form_of_the_pod_is_the_recorded_one() -> None:
    recorded = json.loads(RECORDED.read_text())["spec"]
    made = kubeflow_pod("p", {"image": "i"}, {})["spec"]
    for kind in ("initContainers", "containers"):
        theirs = {each["name"]: each for each in recorded[kind]}
        ours = {each["name"]: each for each in made[kind]}
        assert ours.keys() == theirs.keys()
        for name, each in ours.items():
            assert each["securityContext"] == theirs[name]["securityContext"]
    assert made["securityContext"] == recorded["securityContext"]
    said = set(violations(recorded))  # it was recorded before tasks said that they are not root
    assert said == {"container main: runAsNonRoot is not true"}


def main_of(pod: Tree) -> Tree:
    found: Tree = pod["spec"]["containers"][1]
    return found


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (lambda pod: pod["spec"].update(hostNetwork=True), "hostNetwork is set"),
        (lambda pod: pod["spec"].update(hostPID=True), "hostPID is set"),
        (lambda pod: pod["spec"].update(hostIPC=True), "hostIPC is set"),
        (lambda pod: pod["spec"]["volumes"].append({"name": "x", "hostPath": {"path": "/"}}),
         "volume x is a hostPath"),
        (lambda pod: main_of(pod)["securityContext"].update(privileged=True), "is privileged"),
        (lambda pod: main_of(pod)["securityContext"].pop("allowPrivilegeEscalation"),
         "allowPrivilegeEscalation is not false"),
        (lambda pod: main_of(pod)["securityContext"].pop("runAsNonRoot"),
         "container main: runAsNonRoot is not true"),
        (lambda pod: main_of(pod)["securityContext"].update(runAsUser=0), "runs as root"),
        (lambda pod: main_of(pod)["securityContext"].update(seccompProfile={"type": "Unconfined"}),
         "has no seccompProfile"),
        (lambda pod: main_of(pod)["securityContext"].pop("capabilities"),
         "does not drop all capabilities"),
        (lambda pod: main_of(pod)["securityContext"]["capabilities"].update(add=["SYS_ADMIN"]),
         "adds capabilities"),
        (lambda pod: main_of(pod)["securityContext"].update(procMount="Unmasked"), "procMount"),
        (lambda pod: main_of(pod).update(ports=[{"containerPort": 1, "hostPort": 1}]),
         "takes a port of the host"),
        (lambda pod: main_of(pod).update(imagePullpolicy="Always"), "is not valid"),
    ],
)  # fmt: skip
def test_a_planted_fault_is_found(
    plant: Callable[[Tree], Any], said: str, pods: dict[str, Tree]
) -> None:
    planted = copy.deepcopy(pods["exec-train"])
    plant(planted)
    assert [each for each in check_pod(planted) if said in each]
