"""The manifests of k8s/: they pass their check, and each planted fault is found."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from k8s.check import Tree, build, build_with, check, components, overlays

Planted = Callable[[list[Tree]], None]


@pytest.fixture(scope="module")
def objects() -> list[Tree]:
    quota = next(each for each in components() if each.name == "quota")
    return build_with(overlays()[0], quota)


def test_every_overlay_passes() -> None:
    assert [each.name for each in overlays()] == ["profile", "standalone"]
    for overlay in overlays():
        assert list(check(build(overlay))) == []


def test_the_pods_of_a_run_may_look_and_change_nothing(objects: list[Tree]) -> None:
    rules = of_kind(objects, "Role", "judgeloop-task")["rules"]
    granted = {(verb, name) for rule in rules for verb in rule["verbs"]
               for name in rule["resources"]}  # fmt: skip
    assert granted == {("list", "resourcequotas"), ("list", "limitranges"),
                       ("get", "persistentvolumeclaims"), ("get", "pods")}  # fmt: skip
    bound = [each for each in objects if each["kind"] == "RoleBinding"]
    assert [each["roleRef"]["name"] for each in bound] == ["judgeloop-task"]


@pytest.mark.parametrize(
    ("overlay", "account", "namespace"),
    [("standalone", "pipeline-runner", "kubeflow"), ("profile", "default-editor", "my-profile")],
)
def test_an_overlay_binds_the_account_of_its_pods(
    overlay: str, account: str, namespace: str
) -> None:
    (folder,) = [each for each in overlays() if each.name == overlay]
    (subject,) = of_kind(build(folder), "RoleBinding", "judgeloop-task")["subjects"]
    assert (subject["name"], subject["namespace"]) == (account, namespace)


def of_kind(objects: list[Tree], kind: str, name: str) -> Tree:
    (found,) = [e for e in objects if e["kind"] == kind and e["metadata"]["name"] == name]
    return found


def wildcard(objects: list[Tree]) -> None:
    of_kind(objects, "Role", "judgeloop-task")["rules"][0]["verbs"] = ["*"]


def uncalled(objects: list[Tree]) -> None:
    rules = of_kind(objects, "Role", "judgeloop-submitter")["rules"]
    rules.append({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]})


def secret(objects: list[Tree]) -> None:
    metadata = {"name": "judgeloop-store", "namespace": "kubeflow"}
    objects.append({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})


def namespace(objects: list[Tree]) -> None:
    objects.append({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kubeflow"}})


def elsewhere(objects: list[Tree]) -> None:
    of_kind(objects, "ConfigMap", "judgeloop-settings")["metadata"]["namespace"] = "default"


def launcher(objects: list[Tree]) -> None:
    of_kind(objects, "ConfigMap", "judgeloop-settings")["metadata"]["name"] = "kfp-launcher"


def misspelt(objects: list[Tree]) -> None:
    policy = of_kind(objects, "NetworkPolicy", "judgeloop-tasks")["spec"]
    policy["policyType"] = policy.pop("policyTypes")


def without_limits(objects: list[Tree]) -> None:
    objects[:] = [each for each in objects if each["kind"] != "LimitRange"]


def unknown_kind(objects: list[Tree]) -> None:
    of_kind(objects, "ConfigMap", "judgeloop-settings")["kind"] = "ConfigMapp"


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (wildcard, "grants ['*'] on 'resourcequotas'"),
        (uncalled, "grants ['get'] on 'secrets', which no code of ours calls"),
        (secret, "no manifest holds a secret"),
        (namespace, "is of the whole cluster"),
        (elsewhere, "in several namespaces"),
        (launcher, "is Kubeflow's own"),
        (misspelt, "is not valid"),
        (without_limits, "without a LimitRange"),
        (unknown_kind, "does not know"),
    ],
)
def test_a_planted_fault_is_found(plant: Planted, said: str, objects: list[Tree]) -> None:
    planted: Any = copy.deepcopy(objects)
    plant(planted)
    assert [each for each in check(planted) if said in each]
