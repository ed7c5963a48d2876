"""Requirements on every task on a cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator

from judgeloop.runtime.stage_table import StageSpec, stage_names, stage_spec
from judgeloop.trainjob.place import VARIABLE
from pipelines.spec import Spec, Tree

_PINNED = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")


def task_rules(spec: Spec, place: str, task: Tree) -> Iterator[str]:
    """Yields the settings of its profile that a task lacks."""
    label = spec.component_of(task).get("executorLabel")
    container = spec.executors.get(label, {}).get("container")
    if container is None:
        return
    settings = spec.kubernetes.get(label, {})
    if task.get("cachingOptions", {}).get("enableCache"):
        yield f"{place}: must not be cached: it fails while Kubeflow's API server is away"
    if not settings.get("securityContext", {}).get("runAsNonRoot"):
        yield f"{place}: may run as root, so a namespace that enforces `restricted` refuses it"
    if "/tmp" not in _sized_folders(settings):
        yield f"{place}: has no sized emptyDir on /tmp, so it may fill its node's disk"
    stage = function_of(container)
    if stage in stage_names():
        yield from _declared(place, container, settings, stage_spec(stage))
    elif stage is not None:
        yield f"{place}: {stage} has no row in judgeloop/runtime/stage_table.py"
    if "accelerator" in container.get("resources", {}):
        yield from _gpu(place, container, settings)


def unpinned_images(spec: Spec) -> Iterator[str]:
    """Yields the images without a digest: a tag can move without a change of the cache key."""
    images = {
        executor["container"]["image"]
        for executor in spec.executors.values()
        if "container" in executor
    }
    for image in sorted(images):
        if not _PINNED.fullmatch(image):
            yield (
                f"the image {image} is not named by its digest: push the images, which writes "
                "images/images.lock, or set JUDGELOOP_IMAGE_CPU and JUDGELOOP_IMAGE_GPU to "
                "name@sha256:...; LOCAL=1 compiles for this machine only"
            )


def function_of(container: Tree) -> str | None:
    """Returns the function that a container runs: the name of its stage."""
    arguments = container.get("args", [])
    if "--function_to_execute" not in arguments:
        return None
    return arguments[arguments.index("--function_to_execute") + 1]


def _declared(place: str, container: Tree, settings: Tree, stage: StageSpec) -> Iterator[str]:
    """Yields differences from the declarations in the table of stages."""
    has_size = "/dev/shm" in _sized_folders(settings)
    by_job = VARIABLE in [each.get("name") for each in container.get("env", [])]
    if stage.gpu and not has_size and not by_job:
        yield f"{place}: {stage.name} runs a model and has no size of one: place it by its profile"
    if not stage.gpu and (has_size or "accelerator" in container.get("resources", {})):
        yield f"{place}: {stage.name} asks for what a model needs, and the table of stages says no"


def _gpu(place: str, container: Tree, settings: Tree) -> Iterator[str]:
    resources = container["resources"]
    if not settings.get("tolerations"):
        yield f"{place}: uses a GPU without a toleration, so no node with GPUs takes it"
    if not resources.get("resourceMemoryLimit"):
        yield f"{place}: uses a GPU without a memory limit, so it may take its node's memory"
    if not settings.get("activeDeadlineSeconds"):
        yield f"{place}: uses a GPU without a timeout, so it may hold the GPU forever"
    if "/dev/shm" not in _sized_folders(settings):
        yield f"{place}: uses a GPU without /dev/shm, so PyTorch's workers have 64 MB to share"


def _sized_folders(settings: Tree) -> set[str]:
    mounts = settings.get("emptyDirMounts", [])
    return {mount["mountPath"] for mount in mounts if mount.get("sizeLimit")}
