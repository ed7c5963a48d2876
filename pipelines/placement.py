"""Writes a profile into the compiled pipeline: each task's resources on the cluster."""

from __future__ import annotations

from collections.abc import Set
from typing import TYPE_CHECKING

import msgspec

from judgeloop.runtime.stage_table import stage_spec
from judgeloop.trainjob.place import VARIABLE
from pipelines.job_place import SHM, job_place
from pipelines.profile import ModelSize, Profile, Reference, Size

if TYPE_CHECKING:
    from kfp.dsl import PipelineTask

QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
USER = 1000
"""User id of every task, as in the images."""
FIRST = "resolve"
"""The stage that runs the preflight, including the volume for models."""
BESIDE = ("beside",)
"""Phase of the watcher."""
WATCHER = Size(cpu="100m", memory="512Mi", timeout_s=90 * 24 * 3600, tmp="256Mi")
"""The watcher's size; its timeout is longer than any run, whose end it detects."""
QUEUED_S = 7 * 24 * 3600
"""Seconds for which a task may follow a TrainJob that waits in a queue."""


class Placement:
    """Applies one profile to tasks.

    Args:
        profile: The profile.
        on_cluster: Whether the tasks run on a cluster: there a failed task is retried, and another
            task watches the others.
        trainjob: Whether the training task creates a TrainJob instead of training itself.
    """

    def __init__(self, profile: Profile, *, on_cluster: bool, trainjob: bool = False) -> None:
        self.profile = profile
        self.on_cluster = on_cluster
        self._trainjob = trainjob

    def place(self, task: PipelineTask) -> PipelineTask:
        """Applies the settings of its stage to a task, and returns it.

        Args:
            task: The task of a component; the component's name is the stage.
        """
        from kfp import kubernetes
        from kfp.dsl import structures

        spec, profile = stage_spec(task.component_spec.name.replace("-", "_")), self.profile
        size: Size = profile.cpu
        follows = spec.gpu == "training" and self._trainjob
        if spec.gpu == "inference":
            size = profile.inference
        elif spec.gpu == "training" and not follows:
            size = profile.training
        elif spec.phases == BESIDE:
            size = WATCHER
        timeout_s = size.timeout_s
        if follows:
            timeout_s = QUEUED_S + profile.start_within_s + profile.training.timeout_s
            place = job_place(profile, task.container_spec.image)
            task.set_env_variable(VARIABLE, msgspec.json.encode(place, order="sorted").decode())
        # All together: each setter of `PipelineTask` reads the source of every frame above it for
        # the text of an error, which took two thirds of a compilation.
        task.container_spec.resources = structures.ResourceSpec(
            cpu_request=size.cpu, cpu_limit=size.cpu,
            memory_request=size.memory, memory_limit=size.memory,
        )  # fmt: skip
        if isinstance(size, ModelSize):
            self._give_model(task, size)
        if profile.model_cache and (isinstance(size, ModelSize) or spec.name == FIRST):
            kubernetes.mount_pvc(task, profile.model_cache.name, profile.model_cache.path)
        kubernetes.set_timeout(task, timeout_s)
        # With what Kubeflow sets on every container, this is admitted under "restricted".
        kubernetes.set_security_context(task, run_as_user=USER, run_as_non_root=True)
        kubernetes.empty_dir_mount(task, "tmp", "/tmp", size_limit=size.tmp)
        beside = spec.phases == BESIDE
        given = frozenset(task.container_spec.env or ())
        self._refer(task, given, optional=beside)
        if self.on_cluster and profile.retry.count:
            # The end of a window kills the running attempt, so the watcher has the longest.
            window_s = None if beside or follows else profile.retry.window_s
            retry = msgspec.structs.replace(profile.retry, window_s=window_s)
            task.set_retry(
                retry.count,
                f"{retry.backoff_s}s",
                retry.factor,
                f"{retry.window_for(timeout_s)}s",
            )
        # Content keys in the store find finished work. A driver that asks Kubeflow's cache fails,
        # and its run with it, if the API server is briefly unavailable.
        return task.set_caching_options(False)

    def _give_model(self, task: PipelineTask, size: ModelSize) -> None:
        """Applies the settings that a model needs to a task."""
        from kfp import kubernetes

        profile = self.profile
        if size.gpus:
            task.container_spec.resources.accelerator_type = profile.gpu_type
            task.container_spec.resources.accelerator_count = str(size.gpus)
        for label, value in profile.node_selector.items():
            kubernetes.add_node_selector(task, label, value)
        for each in profile.tolerations:
            kubernetes.add_toleration(task, each.key, each.operator, each.value, each.effect)
        kubernetes.empty_dir_mount(task, "shm", SHM, medium="Memory", size_limit=size.shm)
        if profile.queue:
            kubernetes.add_pod_label(task, QUEUE_LABEL, profile.queue)
        if profile.model_cache:
            task.set_env_variable("HF_HOME", f"{profile.model_cache.path}/huggingface")

    def _refer(self, task: PipelineTask, given: Set[str], *, optional: bool) -> None:
        """Adds references to Secrets and ConfigMaps; their values are never read here.

        Args:
            task: The task.
            given: Variables that are set directly, not from a ConfigMap: HF_HOME in model_cache.
            optional: Whether it starts without any of them: the watcher reports a missing one.
        """
        from kfp import kubernetes

        for secret in self.profile.secrets:
            kubernetes.use_secret_as_env(task, secret.name, _same(secret),
                                     secret.optional or optional)  # fmt: skip
        for settings in self.profile.settings:
            keys = {key: name for key, name in _same(settings).items() if name not in given}
            if keys:
                kubernetes.use_config_map_as_env(task, settings.name, keys,
                                                 settings.optional or optional)  # fmt: skip
        if self.profile.image_pull_secrets:
            kubernetes.set_image_pull_secrets(task, list(self.profile.image_pull_secrets))


def _same(reference: Reference) -> dict[str, str]:
    """Returns variables by key: each key is named like its variable."""
    return {key: key for key in reference.keys}
