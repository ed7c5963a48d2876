"""The TrainJob object, and its name."""

from __future__ import annotations

import hashlib
from typing import Any

from judgeloop.trainjob.place import JobPlace

API = "trainer.kubeflow.org/v1alpha1"
RUNTIME = "judgeloop"
"""The TrainingRuntime of `k8s/components/trainer`."""
NODE = "node"
"""The name that Trainer gives the container and the replicated job."""
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
LOOP, KEY = "judgeloop.dev/loop", "judgeloop.dev/key"
"""Annotations that name the loop and the training's content key."""
WORKER = "judgeloop.ops.train_worker"
Tree = dict[str, Any]


def job_name(loop_id: str, iteration: int, key: str) -> str:
    """Returns the name of a training's job.

    It begins with a letter and has at most 40 characters: one of more than 48 is accepted and never
    starts (JobSet 0.12).

    Args:
        loop_id: The loop.
        iteration: From 1.
        key: The training's content key.
    """
    loop = hashlib.sha256(loop_id.encode()).hexdigest()[:8]
    return f"train-{iteration:03d}-{loop}-{key[:12]}"[:40]


def job_document(
    name: str,
    place: JobPlace,
    nodes: int,
    arguments: list[str],
    about: dict[str, str],
    owner: Tree | None,
) -> Tree:
    """Returns the TrainJob as it is posted.

    Args:
        name: Name of the job.
        place: Where each of its pods runs.
        nodes: How many pods train together.
        arguments: Arguments of the worker.
        about: Annotations.
        owner: Reference to the Workflow, with which the job is removed; None if it is not known.
    """
    requests = {k: v for k, v in place.resources.items() if k in ("cpu", "memory")}
    template: Tree = {"spec": {**place.pod, "containers": [{
        "name": NODE, "volumeMounts": place.mounts,
    }]}}  # fmt: skip
    patch = {"replicatedJobs": [{"name": NODE, "template": {"spec": {"template": template}}}]}
    return {
        "apiVersion": API,
        "kind": "TrainJob",
        "metadata": {
            "name": name,
            "annotations": about,
            "labels": {"app.kubernetes.io/part-of": "judgeloop"}
            | ({QUEUE_LABEL: place.queue} if place.queue else {}),
            "ownerReferences": [owner] if owner else [],
        },
        "spec": {
            # Without the kind, Trainer looks for a ClusterTrainingRuntime.
            "runtimeRef": {"apiGroup": API.split("/")[0], "kind": "TrainingRuntime",
                           "name": RUNTIME},
            "activeDeadlineSeconds": place.start_within_s + place.timeout_s,
            "trainer": {
                "image": place.image,
                "command": ["python", "-m", WORKER],
                "args": arguments,
                "numNodes": nodes,
                "numProcPerNode": 1,  # the worker starts one process per GPU
                "env": place.env,
                "resourcesPerNode": {"limits": place.resources, "requests": requests},
            },
            "runtimePatches": [{
                "manager": "judgeloop.dev/launcher",
                "trainingRuntimeSpec": {"template": {"spec": patch}},
            }],
        },
    }  # fmt: skip
