"""The objects that serve a judge: a Deployment with its Service, or KServe's InferenceService."""

from __future__ import annotations

from typing import Any, Literal

from judgeloop.ops.served_judge import ServedJudge
from pipelines.profile import Profile
from pipelines.serving.pod import serving_pod

Tree = dict[str, Any]
Form = Literal["deployment", "kserve"]
FORMS: tuple[Form, ...] = ("deployment", "kserve")
KSERVE_CONTAINER = "kserve-container"
"""The container name that KServe requires."""
COMPONENT = {"app.kubernetes.io/component": "judge"}
"""Label of every pod that serves; `k8s/overlays/serving` lets its clients in by it."""


def manifests(
    judge: ServedJudge, profile: Profile, image: str, form: Form, name: str, namespace: str
) -> list[Tree]:
    """Returns the objects, ready for `kubectl apply`.

    Args:
        judge: The judge to serve.
        profile: The profile of its pod.
        image: Image of inference, by digest.
        form: Kind of the objects.
        name: Name of the objects.
        namespace: Namespace of the objects.
    """
    labels = {"app.kubernetes.io/name": name, **COMPONENT}
    pinned = judge.revision or judge.base_sha256
    about = {"judgeloop.dev/version": judge.address, "judgeloop.dev/base": f"{judge.base}@{pinned}",
             "judgeloop.dev/adapter-sha256": judge.adapter_sha256}  # fmt: skip
    metadata: Tree = {
        "name": name, "namespace": namespace, "annotations": about,
        "labels": {**labels, "app.kubernetes.io/part-of": "judgeloop"},
    }  # fmt: skip
    if form == "kserve":
        return [_inference_service(metadata, serving_pod(judge, profile, image, KSERVE_CONTAINER))]
    pod = serving_pod(judge, profile, image, "vllm")
    return [_deployment(metadata, labels, pod), _service(metadata, labels)]


def _deployment(metadata: Tree, labels: Tree, pod: Tree) -> Tree:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": 1,
            # A second pod beside the first would wait for a GPU that the first holds.
            "strategy": {"type": "Recreate"},
            "progressDeadlineSeconds": 3600,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": metadata["annotations"]},
                "spec": pod,
            },
        },
    }


def _service(metadata: Tree, labels: Tree) -> Tree:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {
            "selector": labels,
            "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}],
        },
    }


def _inference_service(metadata: Tree, pod: Tree) -> Tree:
    # Plain Deployments: Knative's defaults refuse emptyDir and init containers.
    standard = {"serving.kserve.io/deploymentMode": "Standard"}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {**metadata, "annotations": metadata["annotations"] | standard},
        "spec": {
            "predictor": {
                "minReplicas": 1, "maxReplicas": 1, "labels": metadata["labels"],
                "deploymentStrategy": {"type": "Recreate"}, **pod,
            },
        },
    }  # fmt: skip
