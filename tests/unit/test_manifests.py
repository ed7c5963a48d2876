"""The manifests of k8s/: they pass their check, and each planted fault is found."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from k8s import custom_kinds
from k8s.check import (
    FOLDER,
    Tree,
    build,
    build_with,
    check,
    check_serving,
    components,
    overlays,
    uncalled_rules,
)

Planted = Callable[[list[Tree]], None]


@pytest.fixture(scope="module")
def objects() -> list[Tree]:
    (quota,) = [each for each in components() if each.name == "quota"]
    (dev,) = [each for each in overlays() if each.name == "dev"]
    return build_with(dev, quota)


@pytest.fixture(scope="module")
def custom() -> list[Tree]:
    """The objects of kinds that Kubernetes does not bring along."""
    (standalone,) = [each for each in overlays() if each.name == "standalone"]
    found = [obj for each in components() for obj in build_with(standalone, each)]
    return [each for each in found if custom_kinds.is_custom(each)]


def test_every_overlay_passes() -> None:
    assert [each.name for each in overlays()] == [
        "cloud", "dev", "profile", "serving", "standalone",
    ]  # fmt: skip
    for overlay in overlays():
        assert list(check(build(overlay))) == []


def test_the_pods_of_a_run_may_look_and_change_nothing(objects: list[Tree]) -> None:
    rules = of_kind(objects, "Role", "judgeloop-task")["rules"]
    granted = {(verb, name) for rule in rules for verb in rule["verbs"]
               for name in rule["resources"]}  # fmt: skip
    assert granted == {("list", "resourcequotas"), ("list", "limitranges"),
                       ("get", "persistentvolumeclaims"), ("get", "pods"), ("list", "pods"),
                       ("list", "workflows")}  # fmt: skip
    bound = [each for each in objects if each["kind"] == "RoleBinding"]
    assert [each["roleRef"]["name"] for each in bound] == ["judgeloop-task"]


@pytest.mark.parametrize(
    ("overlay", "account", "namespace"),
    [
        ("standalone", "pipeline-runner", "kubeflow"),
        ("profile", "default-editor", "my-profile"),
        ("cloud", "judgeloop", "kubeflow"),
    ],
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


def unlocked(objects: list[Tree]) -> None:
    pod = of_kind(objects, "Deployment", "judgeloop-mlflow")["spec"]["template"]["spec"]
    pod["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True


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
        (unlocked, "container mlflow: allowPrivilegeEscalation is not false"),
    ],
)
def test_a_planted_fault_is_found(plant: Planted, said: str, objects: list[Tree]) -> None:
    planted: Any = copy.deepcopy(objects)
    plant(planted)
    assert [each for each in check(planted) if said in each]


schemas = pytest.mark.skipif(
    not custom_kinds.folder().is_dir(), reason=f"no schemas in {custom_kinds.folder()}"
)


@schemas
def test_custom_kinds_are_valid_for_their_owners_schemas(custom: list[Tree]) -> None:
    assert {each["kind"] for each in custom} == {
        "InferenceService", "LocalQueue", "ServingRuntime", "TrainingRuntime",
    }  # fmt: skip
    assert [said for each in custom for said in custom_kinds.violations(each)] == []


def test_what_serves_is_admitted_and_found_by_the_overlay_for_it() -> None:
    (serving,) = [each for each in overlays() if each.name == "serving"]
    (policy,) = build(serving)
    made = {form: objects for form, objects in check_serving("one-gpu")}
    assert set(made) == {"deployment", "kserve"}
    assert [said for objects in made.values() for said in check(objects)] == []
    chosen = policy["spec"]["podSelector"]["matchLabels"].items()
    labels = (
        made["deployment"][0]["spec"]["template"]["metadata"]["labels"],
        made["kserve"][0]["spec"]["predictor"]["labels"],
    )
    assert [chosen <= each.items() for each in labels] == [True, True]
    unlocked = copy.deepcopy(made["deployment"])
    pod = unlocked[0]["spec"]["template"]["spec"]
    pod["initContainers"][0]["securityContext"]["readOnlyRootFilesystm"] = True
    assert len(list(check(unlocked))) == 1
    assert list(check_serving("cpu")) == []


def ttl(objects: list[Tree]) -> None:
    of_kind(objects, "TrainingRuntime", "judgeloop")["spec"]["template"]["spec"]["ttl"] = 60


def queue(objects: list[Tree]) -> None:
    of_kind(objects, "LocalQueue", "judgeloop")["spec"] = {"clusterQueue": "Judge Loop"}


def replicas(objects: list[Tree]) -> None:
    of_kind(objects, "InferenceService", "judge")["spec"]["predictor"]["minReplicas"] = "one"


def version(objects: list[Tree]) -> None:
    of_kind(objects, "LocalQueue", "judgeloop")["apiVersion"] = "kueue.x-k8s.io/v9"


@schemas
@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (ttl, "('ttl' was unexpected)"),
        (queue, "spec.clusterQueue: 'Judge Loop' does not match"),
        (replicas, "'one' is not of type 'integer'"),
        (version, "has no schema of (localqueue_kueue.x-k8s.io_v9.json)"),
    ],
)
def test_a_fault_in_a_custom_kind_is_found(plant: Planted, said: str, custom: list[Tree]) -> None:
    planted = copy.deepcopy(custom)
    plant(planted)
    found = [found for each in planted for found in custom_kinds.violations(each)]
    assert [each for each in found if said in each], found


def test_a_failed_job_set_is_never_removed_by_a_time_to_live(custom: list[Tree]) -> None:
    """The controller would begin the training anew, without end."""
    assert "ttlSecondsAfterFinished" not in str(of_kind(custom, "TrainingRuntime", "judgeloop"))


def test_a_rule_that_names_no_module_is_found() -> None:
    text = (FOLDER / "base/rbac.yaml").read_text()
    assert list(uncalled_rules(text)) == []
    assert len(list(uncalled_rules(text.replace("run_pods.py: why", "gone.py: why")))) == 1
    assert len(list(uncalled_rules("    resources: [pods]\n"))) == 1


def test_patches_of_kubeflow_s_own_objects_hold_texts_that_are_yaml() -> None:
    patches = sorted((FOLDER / "patches").glob("*.yaml"))
    assert [each.stem for each in patches] == ["kfp-launcher", "workflow-controller"]
    for each in patches:
        ((_, text),) = yaml.safe_load(each.read_text())["data"].items()
        assert isinstance(yaml.safe_load(text), dict)
