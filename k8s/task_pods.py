"""The pods that Kubeflow creates for a compiled pipeline's tasks."""

from __future__ import annotations

from collections.abc import Iterator

from judgeloop.ops.doctor.kubeflow_pod import kubeflow_pod
from pipelines.spec import Spec, Tree


def task_pods(spec: Spec) -> Iterator[tuple[str, Tree]]:
    """Yields the label of each executor and the pod that its tasks run in."""
    for label, executor in spec.executors.items():
        yield label, _pod(label, executor["container"], spec.kubernetes.get(label, {}))


def _pod(label: str, container: Tree, settings: Tree) -> Tree:
    security = dict(settings.get("securityContext", {}))
    if "runAsUser" in security:
        security["runAsUser"] = int(security["runAsUser"])  # protobuf's JSON writes it as text
    volumes: list[Tree] = []
    mounts: list[Tree] = []
    for each in settings.get("emptyDirMounts", []):
        given = {"medium": each.get("medium"), "sizeLimit": each.get("sizeLimit")}
        volumes.append({"name": each["volumeName"],
                        "emptyDir": {k: v for k, v in given.items() if v}})  # fmt: skip
        mounts.append({"name": each["volumeName"], "mountPath": each["mountPath"]})
    for each in settings.get("pvcMount", []):
        name = each["constant"]
        volumes.append({"name": name, "persistentVolumeClaim": {"claimName": name}})
        mounts.append({"name": name, "mountPath": each["mountPath"]})
    asked = container.get("resources", {})
    sizes = {
        "requests": {"cpu": asked.get("resourceCpuRequest"),
                     "memory": asked.get("resourceMemoryRequest")},
        "limits": {"cpu": asked.get("resourceCpuLimit"),
                   "memory": asked.get("resourceMemoryLimit")},
    }  # fmt: skip
    if "accelerator" in asked:
        given = asked["accelerator"]
        sizes["limits"][given["resourceType"]] = given["resourceCount"]
    main = {
        "image": container["image"],
        "resources": sizes,
        "securityContext": security,
        "volumeMounts": mounts,
        "env": [*_variables(settings, "secretAsEnv", "secretKeyRef", "secretKey"),
                *_variables(settings, "configMapAsEnv", "configMapKeyRef", "configMapKey")],
    }  # fmt: skip
    pod: Tree = {"volumes": volumes}
    if "nodeSelector" in settings:
        pod["nodeSelector"] = settings["nodeSelector"].get("labels", {})
    if "tolerations" in settings:
        pod["tolerations"] = settings["tolerations"]
    return kubeflow_pod(label, main, pod)


def _variables(settings: Tree, kind: str, source: str, key: str) -> Iterator[Tree]:
    name_of = kind.removesuffix("AsEnv") + "Name"
    for each in settings.get(kind, []):
        name = each[name_of]
        for pair in each["keyToEnv"]:
            given = {"name": name, "key": pair[key], "optional": each.get("optional", False)}
            yield {"name": pair["envVar"], "valueFrom": {source: given}}
