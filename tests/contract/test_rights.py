"""The roles of k8s/ grant what the code asks of Kubernetes, call by call, and nothing else."""

import io

import pytest
import yaml
from rich.console import Console

from judgeloop.cluster.own_pod import OwnCluster
from judgeloop.ops.doctor.needs import parse_needs
from judgeloop.ops.doctor.preflight import (
    examine_in_pod,
    examine_namespace,
    examine_references,
)
from judgeloop.ops.doctor.quota import check_quotas
from judgeloop.ops.pods.watch import Watch
from judgeloop.runtime.holder_pod import NAME, UID, is_pod_gone, this_pod
from pipelines.cluster.kubernetes_api import PersonsCluster
from pipelines.cluster.pods import show_pod_logs
from pipelines.cluster.run_pods import look_at
from pipelines.profile import read_profile
from tests.conftest import REPOSITORY
from tests.kubernetes_api import KubernetesApi, Pod
from tests.pod import Pod as Surroundings

MORE = {
    ("get", "/secrets"), ("list", "/nodes"), ("create", "/pods"),
    ("get", "storage.k8s.io/storageclasses"),
}  # fmt: skip
"""Calls that no role of ours grants: who has the right sees more, who has not sees `unknown`."""
LAST = "judge-loop-x(0).root(0).exit-handler-1(0).promote(0).executor(0)"
NEEDS = parse_needs({**read_profile("one-gpu").needs(), "claim": "models"})


def granted(role: str) -> set[tuple[str, str]]:
    documents = yaml.safe_load_all((REPOSITORY / "k8s/base/rbac.yaml").read_text())
    (found,) = [each for each in documents if each["kind"] == "Role"
                and each["metadata"]["name"] == role]  # fmt: skip
    return {
        (verb, f"{group}/{resource}")
        for rule in found["rules"] for group in rule["apiGroups"]
        for resource in rule["resources"] for verb in rule["verbs"]
    }  # fmt: skip


def with_claim(api: KubernetesApi) -> None:
    claim = {"spec": {"storageClassName": "nfs"}, "status": {"phase": "Pending"}}
    api.objects["/api/v1/namespaces/team/persistentvolumeclaims/models"] = claim


def test_who_submits_may_do_what_the_commands_ask(kubernetes_api: KubernetesApi) -> None:
    with_claim(kubernetes_api)
    cluster = PersonsCluster("team")
    check_quotas(NEEDS.tasks, cluster)
    for findings in (examine_references(NEEDS, cluster), examine_namespace(NEEDS, cluster)):
        assert list(findings)
    kubernetes_api.pods = [Pod("p", "run", "Failed", "2026-01-01T00:00:00Z", "said\n")]
    show_pod_logs("run", "team", Console(file=io.StringIO()))
    gated = [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]
    kubernetes_api.pods = [Pod("q", "run", "Pending", "2026-01-01T00:00:00Z", None, "", gated)]
    look_at("run", "team")
    assert kubernetes_api.calls - MORE == granted("judgeloop-submitter")


def test_the_pods_of_a_run_may_do_what_their_tasks_ask(
    pod: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_claim(pod.api)
    assert list(examine_in_pod(NEEDS))
    monkeypatch.setenv(NAME, "mine")
    monkeypatch.setenv(UID, "uid")
    assert is_pod_gone(this_pod())
    pod.api.pods = [Pod("p", "run", "Succeeded", "2026-01-01T00:00:00Z", "", LAST)]
    assert Watch(OwnCluster(), "run", 60).watch(print) == "the run's work is done"
    assert pod.api.calls - MORE == granted("judgeloop-task")
