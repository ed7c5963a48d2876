"""The pod security standard `restricted`, as Kubernetes' documentation lists it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Tree = dict[str, Any]
VOLUMES = frozenset({
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
    "projected", "secret", "image",
})  # fmt: skip
SECCOMP = ("RuntimeDefault", "Localhost")


def violations(spec: Tree) -> Iterator[str]:
    """Yields the violations of `restricted` in a pod's specification."""
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(name):
            yield f"{name} is set"
    for volume in spec.get("volumes", []):
        kinds = set(volume) - {"name"}
        if not kinds <= VOLUMES:
            yield f"volume {volume['name']} is a {', '.join(sorted(kinds - VOLUMES))}"
    pod = spec.get("securityContext", {})
    for container in [*spec.get("initContainers", []), *spec.get("containers", [])]:
        own = container.get("securityContext", {})
        for said in _container(own, {**pod, **own}):
            yield f"container {container['name']}: {said}"
        if any("hostPort" in port for port in container.get("ports", [])):
            yield f"container {container['name']}: takes a port of the host"


def _container(own: Tree, whole: Tree) -> Iterator[str]:
    """Yields what is refused in a container; `whole` has the pod's settings where it has none."""
    if own.get("privileged"):
        yield "is privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    if whole.get("runAsNonRoot") is not True:
        yield "runAsNonRoot is not true"
    if whole.get("runAsUser") == 0:
        yield "runs as root"
    if whole.get("seccompProfile", {}).get("type") not in SECCOMP:
        yield "has no seccompProfile"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []):
        yield "does not drop all capabilities"
    if set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield "adds capabilities"
    if own.get("procMount") not in (None, "Default"):
        yield "has a procMount of its own"


def pod_specs(node: Any) -> Iterator[Tree]:
    """Yields every pod's specification in an object, wherever its kind has it."""
    if isinstance(node, list):
        for each in node:
            yield from pod_specs(each)
    elif isinstance(node, dict):
        if isinstance(node.get("containers"), list):
            yield node
        for each in node.values():
            yield from pod_specs(each)
