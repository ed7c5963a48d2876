"""Checks that a namespace has what a loop's tasks refer to: claim, Secrets, ConfigMaps, nodes.

Kubernetes never gives up on a pod that lacks one of these, and Kubeflow shows it as running. Each
check returns its finding, and raises `PreflightError` for what would wait forever and
`ClusterError` for what the account may not read.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from judgeloop.cluster.answers import (
    Claim,
    CountedQuota,
    LimitRange,
    Node,
    SecretOrConfigMap,
    StorageClass,
    checked,
    checked_items,
)
from judgeloop.cluster.kubernetes import Cluster, Tree, find
from judgeloop.ops.doctor.needs import Named, Needs, Toleration
from judgeloop.ops.doctor.quota import amount
from judgeloop.schema.errors import PreflightError

COUNTED = ("cpu", "memory")
MODEL_KINDS = ("inference", "training")
"""Tasks with a model: the profile's selector, tolerations and claim are theirs."""
NO_PODS = ("NoSchedule", "NoExecute")
"""Effects of a taint that keep a pod from starting."""


def check_claim(needs: Needs, cluster: Cluster) -> str:
    """Checks that the volume for models exists and is bound.

    Raises:
        PreflightError: It is missing, or will not be bound.
        ClusterError: It may not be read.
    """
    if needs.claim is None:
        return "the profile names no model_cache"
    claim = _found(cluster, f"{_namespace(cluster)}/persistentvolumeclaims/{needs.claim}", Claim)
    what = f"the claim {needs.claim} in {cluster.namespace}"
    if claim is None:
        raise PreflightError(
            f"{what} is not there, and tasks that mount it never start: apply "
            "k8s/components/model-cache, or leave model_cache of the profile empty"
        )
    spec, phase = claim.get("spec", {}), claim.get("status", {}).get("phase")
    if phase == "Bound":
        modes = ", ".join(spec.get("accessModes", []))
        return f"{what} is bound ({modes}); the first task tries whether it can be written"
    kind = spec.get("storageClassName") or "the default class"
    if phase == "Pending" and _binds_late(cluster, spec.get("storageClassName")):
        return f"{what} is bound when the first pod mounts it ({kind} waits for one)"
    raise PreflightError(
        f"{what} is {phase}, not Bound: {kind} has made no volume for it. Does that class exist, "
        f"and can it do {', '.join(spec.get('accessModes', []))}? `kubectl describe pvc "
        f"{needs.claim} -n {cluster.namespace}`"
    )


def check_writable(needs: Needs) -> str:
    """Checks that the volume for models, which this task mounts, is writable; leaves no file.

    Raises:
        PreflightError: It is not: Kubeflow sets no fsGroup, so a folder of root stays root's.
    """
    if needs.claim_path is None:
        return "the profile names no model_cache"
    try:
        with tempfile.NamedTemporaryFile(dir=needs.claim_path, prefix=".judgeloop-") as file:
            file.write(b"judgeloop")
            file.flush()
    except OSError as error:
        raise PreflightError(
            f"{needs.claim_path}, the volume {needs.claim}, cannot be written by user "
            f"{os.getuid()} ({error.strerror}): Kubeflow sets no fsGroup, so have its folder given "
            "to that user, or to a mode that lets it write"
        ) from error
    return f"{needs.claim_path} can be written"


def _binds_late(cluster: Cluster, name: str | None) -> bool:
    """Returns whether a class binds a claim only when a pod mounts it.

    Raises:
        ClusterError: Classes may not be read: a pending claim may be correct.
    """
    if name is None:
        answer = cluster.ask("/apis/storage.k8s.io/v1/storageclasses")
        classes = checked_items(answer, StorageClass)
        mark = "storageclass.kubernetes.io/is-default-class"
        found = [each for each in classes if _annotations(each).get(mark) == "true"]
    else:
        one = _found(cluster, f"/apis/storage.k8s.io/v1/storageclasses/{name}", StorageClass)
        found = [one] if one else []
    return any(each.get("volumeBindingMode") == "WaitForFirstConsumer" for each in found)


def check_references(kind: str, references: Sequence[Named], cluster: Cluster) -> str:
    """Checks that Secrets or ConfigMaps exist with the keys that tasks read.

    Args:
        kind: `secrets` or `configmaps`, as the API calls them.
        references: Those that the profile names.
        cluster: The namespace. Only the names of a Secret's keys are read.

    Raises:
        PreflightError: One that is not optional is missing, or a key of it.
        ClusterError: One may not be read.
    """
    missing: dict[str, list[str]] = {}
    absent: dict[str, list[str]] = {}
    for each in references:
        found = _found(cluster, f"{_namespace(cluster)}/{kind}/{each.name}", SecretOrConfigMap)
        held = {*(found or {}).get("data", {}), *(found or {}).get("binaryData", {})}
        lacking = [key for key in each.keys if key not in held]
        if lacking:
            keys = (absent if each.optional else missing).setdefault(each.name, [])
            keys += lacking if found is not None else []  # else the whole object is missing
    if missing:
        raise PreflightError(
            f"{cluster.namespace} lacks {_named(missing)}, and no task starts without: make them "
            "as docs/kubeflow.md shows, or take them out of the profile. From outside, "
            "KF_PIPELINES_NAMESPACE says which namespace is meant"
        )
    names = sorted({each.name for each in references})
    said = f"all keys of {', '.join(names)} are there" if names else "the profile names none"
    return f"{said}, but for the optional {_named(absent)}" if absent else said


def _named(lacking: dict[str, list[str]]) -> str:
    """Returns names with their missing keys; a name without keys is missing as a whole."""
    return ", ".join(f"{name} ({', '.join(keys)})" if keys else name
                     for name, keys in lacking.items())  # fmt: skip


def check_variables(needs: Needs) -> str:
    """Checks that this pod has the variables that the profile reads from Secrets and ConfigMaps.

    It needs no permission: Kubernetes gives every task the same variables. Without a required one
    this task would not have started.

    Raises:
        PreflightError: A required one is missing nevertheless.
    """
    missing: list[str] = []
    absent: list[str] = []
    for each in (*needs.secrets, *needs.settings):
        lacking = [key for key in each.keys if key not in os.environ]
        (absent if each.optional else missing).extend(f"{key} of {each.name}" for key in lacking)
    if missing:
        raise PreflightError(f"this pod lacks {', '.join(missing)}: see docs/kubeflow.md")
    said = "this pod has every key that is not optional"
    return f"{said}; not set: {', '.join(absent)}" if absent else said


def check_defaults(cluster: Cluster) -> str:
    """Checks that a quota on requests or limits comes with a LimitRange with defaults.

    Kubeflow's own containers set no requests, and such a quota refuses pods without them.

    Raises:
        PreflightError: It has none; no Kubeflow pod would be created.
        ClusterError: Quotas or ranges may not be listed.
    """
    answer = cluster.ask(f"{_namespace(cluster)}/resourcequotas")
    quotas = checked_items(answer, CountedQuota)
    wanted = {name for each in quotas for name in each.get("spec", {}).get("hard", {})}
    wanted = {name for name in wanted if name.rpartition(".")[2] in COUNTED}
    if not wanted:
        return "no quota asks for defaults"
    ranges = checked_items(cluster.ask(f"{_namespace(cluster)}/limitranges"), LimitRange)
    lacking = sorted(wanted - set(_given_by(ranges)))
    if lacking:
        raise PreflightError(
            f"a quota of {cluster.namespace} counts {', '.join(lacking)}, and no LimitRange gives "
            "containers a default: every pod of Kubeflow's is refused. Apply k8s/components/quota, "
            "or add such a LimitRange"
        )
    return "a LimitRange gives what the quota asks of every container"


def _given_by(ranges: Iterable[Tree]) -> Iterator[str]:
    """Yields the defaults that ranges set for containers, by a quota's names for them."""
    for limit in (limit for each in ranges for limit in each.get("spec", {}).get("limits", [])):
        if limit.get("type") == "Container":
            for name in limit.get("default", {}):
                # If only a limit is given, the request is the same.
                yield from (f"limits.{name}", f"requests.{name}", name)
            for name in limit.get("defaultRequest", {}):
                yield from (f"requests.{name}", name)


def check_nodes(needs: Needs, cluster: Cluster) -> str:
    """Checks that each kind of task fits on some empty node that has the right labels.

    Raises:
        PreflightError: One fits on none; the message names the kind and the nearest node.
        ClusterError: Nodes may not be listed.
    """
    nodes = checked_items(cluster.ask("/api/v1/nodes"), Node)
    refused = []
    for kind, asked in needs.tasks.items():
        model = kind in MODEL_KINDS
        reasons = [list(_refusals(node, asked, needs if model else None)) for node in nodes]
        if all(reasons):
            nearest = min(reasons, key=len, default=["there is no node"])
            refused.append(f"a task of `{kind}`: {'; '.join(nearest)}")
    if refused:
        raise PreflightError(
            f"none of the {len(nodes)} node(s) could ever hold {', and '.join(refused)}. Change "
            "sizes, gpu_type, node_selector or tolerations of the profile, or add such a node"
        )
    return f"each kind of task fits on one of {len(nodes)} node(s) when it is empty"


def _refusals(node: Tree, asked: Mapping[str, str | int], needs: Needs | None) -> Iterator[str]:
    """Yields why a node cannot run a task; the shortest list is the nearest miss."""
    name = node["metadata"]["name"]
    held = node.get("status", {}).get("allocatable", {})
    for resource, many in asked.items():
        if amount(many) > amount(held.get(resource, 0)):
            yield f"{name} has {held.get(resource, 0)} {resource}, asked is {many}"
    labels = node["metadata"].get("labels", {})
    for label, value in (needs.node_selector if needs else {}).items():
        if labels.get(label) != value:
            yield f"{name} has no label {label}={value}"
    tolerations = needs.tolerations if needs else ()
    for taint in node.get("spec", {}).get("taints", []):
        if taint["effect"] in NO_PODS and not any(_tolerates(t, taint) for t in tolerations):
            yield f"{name} has the taint {taint['key']}:{taint['effect']}"


def _tolerates(toleration: Toleration, taint: Mapping[str, Any]) -> bool:
    if toleration.effect and toleration.effect != taint["effect"]:
        return False
    if toleration.key and toleration.key != taint["key"]:
        return False
    return toleration.operator == "Exists" or toleration.value == taint.get("value")


def _annotations(tree: Tree) -> Mapping[str, str]:
    found: Mapping[str, str] = tree.get("metadata", {}).get("annotations", {})
    return found


def _found(cluster: Cluster, path: str, kind: type[Any]) -> Tree | None:
    found = find(cluster, path)
    return None if found is None else checked(found, kind)


def _namespace(cluster: Cluster) -> str:
    return f"/api/v1/namespaces/{cluster.namespace}"
