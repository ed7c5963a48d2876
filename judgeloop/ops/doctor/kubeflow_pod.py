"""The pod that Kubeflow creates for a task, in the form that was recorded on a cluster.

Kubeflow Pipelines 2.17 with Argo 4.0: containers `init`, `kfp-launcher` and `wait` of their own
around the task's `main`. Images, arguments and Argo's volumes do not affect admission and are
abbreviated here; resources and security contexts are those of the recorded pods.
"""

from __future__ import annotations

from judgeloop.cluster.kubernetes import Tree

ARGO_IMAGE = "quay.io/argoproj/argoexec:v4.0.5"
LAUNCHER_IMAGE = "ghcr.io/kubeflow/kfp-launcher:2.17.0"
MAIN = "main"
"""Argo's name for the container in which a task runs."""
LABELS = {"pipelines.kubeflow.org/v2_component": "true"}


def kubeflow_pod(name: str, main: Tree, spec: Tree) -> Tree:
    """Returns a task's pod.

    Args:
        name: Name of the pod.
        main: The task's container: image, resources, and additions to Kubeflow's security context.
        spec: The task's additions to the pod: volumes, node selector, tolerations and the like.
    """
    security = {**_locked(), **main.get("securityContext", {})}
    argo = {**_locked(), "runAsNonRoot": True, "runAsUser": 65532}
    launcher = {
        "name": "kfp-launcher",
        "image": LAUNCHER_IMAGE,
        "resources": {
            "limits": {"cpu": "500m", "memory": "256Mi"},
            "requests": {"cpu": "100m", "memory": "256Mi"},
        },
        "securityContext": {**_locked(), "runAsNonRoot": True},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": dict(LABELS)},
        "spec": {
            "restartPolicy": "Never",
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "initContainers": [
                {"name": "init", "image": ARGO_IMAGE, "securityContext": argo},
                launcher,
            ],
            "containers": [
                {"name": "wait", "image": ARGO_IMAGE, "securityContext": argo},
                {**main, "name": MAIN, "securityContext": security},
            ],
            **spec,
        },
    }


def _locked() -> Tree:
    """Returns the security context that Kubeflow's administrator sets on every container."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
