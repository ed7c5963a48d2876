"""The pod that serves a judge: an init container fetches it by its checksums, vLLM serves it."""

from __future__ import annotations

import json
from typing import Any

from judgeloop.ops.served_judge import ServedJudge
from pipelines.job_place import SHM, scheduling, variables
from pipelines.placement import USER
from pipelines.profile import Profile

Tree = dict[str, Any]
PORT = 8080
MODELS = "/models"
KEY_SECRET, KEY_VARIABLE = "judgeloop-serving", "VLLM_API_KEY"
"""Path that needs the clients' key; `/health` answers without it."""
START_S = 1800
"""Seconds to start; a large model takes minutes to load."""
_NAME_DIGITS = 16
_LOCKED: Tree = {
    "runAsNonRoot": True, "runAsUser": USER, "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}  # fmt: skip


def serving_pod(judge: ServedJudge, profile: Profile, image: str, container: str) -> Tree:
    """Returns the specification of the pod.

    Args:
        judge: The judge to serve.
        profile: Its `inference` sets the pod's resources.
        image: Image of inference, by digest.
        container: The server's name.
    """
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 60,
        "securityContext": {
            "runAsNonRoot": True, "runAsUser": USER, "runAsGroup": USER, "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "initContainers": [_fetching(judge, profile, image)],
        "containers": [_serving(judge, profile, image, container)],
        "volumes": _volumes(profile),
        **scheduling(profile),
    }  # fmt: skip


def _fetching(judge: ServedJudge, profile: Profile, image: str) -> Tree:
    plain = {"cpu": profile.inference.cpu, "memory": profile.inference.memory}
    return {
        "name": "fetch",
        "image": image,
        "command": ["python", "-m", "judgeloop.ops.fetch_judge"],
        "args": [judge.address, MODELS, f"--adapter-sha256={judge.adapter_sha256}"],
        "env": _fetch_variables(profile),
        "resources": {"requests": plain, "limits": plain},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": _LOCKED,
        "volumeMounts": _mounts(profile),
    }


def _serving(judge: ServedJudge, profile: Profile, image: str, name: str) -> Tree:
    size = profile.inference
    whole = {"cpu": size.cpu, "memory": size.memory, profile.gpu_type: size.gpus}
    mounts = [
        {**each, "readOnly": True} if each["name"] != "tmp" else each for each in _mounts(profile)
    ]
    return {
        "name": name,
        "image": image,
        "command": ["vllm", "serve", f"{MODELS}/base"],
        "args": server_arguments(judge, size.gpus),
        "env": _server_variables(),
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        **_probes(),
        "resources": {"requests": whole, "limits": whole},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": _LOCKED,
        "volumeMounts": [*mounts, {"name": "shm", "mountPath": SHM}],
    }


def _mounts(profile: Profile) -> list[Tree]:
    mounts = [{"name": "models", "mountPath": MODELS}, {"name": "tmp", "mountPath": "/tmp"}]
    if cache := profile.model_cache:
        mounts.append({"name": "cache", "mountPath": cache.path})
    return mounts


def _volumes(profile: Profile) -> list[Tree]:
    size = profile.inference
    volumes: list[Tree] = [
        {"name": "models", "emptyDir": {"sizeLimit": size.tmp}},
        {"name": "tmp", "emptyDir": {"sizeLimit": size.tmp}},
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": size.shm}},
    ]
    if cache := profile.model_cache:
        volumes.append({"name": "cache", "persistentVolumeClaim": {"claimName": cache.name}})
    return volumes


def server_arguments(judge: ServedJudge, gpus: int) -> list[str]:
    """Returns the arguments of `vllm serve` after the model's folder.

    The names that it serves are those of `judgeloop serve`: `base`, `judge`, and the adapter's by
    its hash, which `--endpoint` compares.
    """
    adapter = f"{MODELS}/adapter"
    named = f"adapter-{judge.adapter_sha256[:_NAME_DIGITS]}"
    images = json.dumps({"image": judge.max_images, "video": 0})
    given = [
        "--host=0.0.0.0", f"--port={PORT}",
        "--served-model-name=base",
        "--load-format=safetensors",
        "--generation-config=vllm",  # the checkpoint's end tokens alone, not its sampling
        f"--dtype={judge.dtype}",
        "--enable-lora", f"--max-lora-rank={judge.rank}", "--max-loras=2",
        "--lora-modules", f"judge={adapter}", f"{named}={adapter}",
        f"--limit-mm-per-prompt={images}",
        f"--max-model-len={judge.max_model_len or 'auto'}",
        f"--gpu-memory-utilization={judge.memory_share:g}",
        "--seed=0",
    ]  # fmt: skip
    return [*given, *([f"--tensor-parallel-size={gpus}"] if gpus > 1 else [])]


def _fetch_variables(profile: Profile) -> list[Tree]:
    cache = profile.model_cache.path if profile.model_cache else MODELS
    own = {"HF_HOME": f"{cache}/huggingface", "XDG_CACHE_HOME": f"{cache}/cache"}
    return [
        *[each for each in variables(profile) if each["name"] not in own],
        *[{"name": name, "value": value} for name, value in own.items()],
    ]


def _server_variables() -> list[Tree]:
    key = {"secretKeyRef": {"name": KEY_SECRET, "key": KEY_VARIABLE}}
    plain = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "VLLM_NO_USAGE_STATS": "1"}
    return [
        {"name": KEY_VARIABLE, "valueFrom": key},
        *[{"name": name, "value": value} for name, value in plain.items()],
    ]


def _probes() -> Tree:
    health = {"httpGet": {"path": "/health", "port": "http"}}
    return {
        "startupProbe": {**health, "periodSeconds": 10, "failureThreshold": START_S // 10},
        "readinessProbe": {**health, "periodSeconds": 10, "timeoutSeconds": 5},
        "livenessProbe": {
            **health, "periodSeconds": 20, "timeoutSeconds": 10, "failureThreshold": 6,
        },
    }  # fmt: skip
