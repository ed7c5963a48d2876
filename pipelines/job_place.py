"""The settings of a TrainJob's pods from a profile, the same as those of training tasks."""

from __future__ import annotations

from typing import Any

import msgspec

from judgeloop.trainjob.place import JobPlace
from pipelines.profile import Profile, Reference

SHM = "/dev/shm"


def job_place(profile: Profile, image: str) -> JobPlace:
    """Returns the place of a TrainJob's pod.

    Args:
        profile: The profile.
        image: Image of the training task, whose content key must be the pod's.
    """
    size = profile.training
    resources: dict[str, str | int] = {"cpu": size.cpu, "memory": size.memory}
    if size.gpus:
        resources[profile.gpu_type] = size.gpus
    env = variables(profile)
    volumes: list[dict[str, Any]] = [
        {"name": "tmp", "emptyDir": {"sizeLimit": size.tmp}},
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": size.shm}},
    ]
    mounts: list[dict[str, Any]] = [
        {"name": "tmp", "mountPath": "/tmp"},
        {"name": "shm", "mountPath": SHM},
    ]
    if cache := profile.model_cache:
        volumes.append({"name": "models", "persistentVolumeClaim": {"claimName": cache.name}})
        mounts.append({"name": "models", "mountPath": cache.path})
        env.append({"name": "HF_HOME", "value": f"{cache.path}/huggingface"})
    return JobPlace(
        image=image,
        resources=resources,
        env=env,
        pod={"volumes": volumes, **scheduling(profile)},
        mounts=mounts,
        queue=profile.queue,
        start_within_s=profile.start_within_s,
        timeout_s=size.timeout_s,
    )


def scheduling(profile: Profile) -> dict[str, Any]:
    """Returns the parts of a pod's specification for scheduling and image pull secrets."""
    pod: dict[str, Any] = {}
    if profile.node_selector:
        pod["nodeSelector"] = profile.node_selector
    if profile.tolerations:
        pod["tolerations"] = [msgspec.to_builtins(each) for each in profile.tolerations]
    if profile.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in profile.image_pull_secrets]
    return pod


def variables(profile: Profile) -> list[dict[str, Any]]:
    """Returns a container's variables from the profile's Secrets and ConfigMaps, by reference."""
    return [
        *_variables(profile.secrets, "secretKeyRef"),
        *_variables(profile.settings, "configMapKeyRef"),
    ]


def _variables(references: tuple[Reference, ...], source: str) -> list[dict[str, Any]]:
    return [
        {"name": key, "valueFrom": {source: {
            "name": each.name, "key": key, "optional": each.optional,
        }}}
        for each in references
        for key in each.keys
    ]  # fmt: skip
