"""Writes a profile into the compiled pipeline: what each task asks of the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from judgeloop.runtime.stage_table import stage_spec
from pipelines.profile import ModelSize, Profile, Reference, Size

if TYPE_CHECKING:
    from kfp.dsl import PipelineTask

SHM = "/dev/shm"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
USER = 1000
"""User id of every task, as in the images."""


class Placement:
    """Applies one profile to tasks.

    Args:
        profile: What to ask for.
        retried: Whether a failed task is started again.
    """

    def __init__(self, profile: Profile, *, retried: bool) -> None:
        self.profile = profile
        self._retried = retried

    def place(self, task: PipelineTask) -> PipelineTask:
        """Gives a task all that its stage gets, and returns it.

        Args:
            task: The task of a component; the component's name is the stage.
        """
        from kfp import kubernetes
        from kfp.dsl import structures

        spec, profile = stage_spec(task.component_spec.name.replace("-", "_")), self.profile
        size: Size = profile.cpu
        if spec.gpu == "inference":
            size = profile.inference
        elif spec.gpu == "training":
            size = profile.training
        # At once: each setter of `PipelineTask` reads the source of every frame above it for the
        # text of an error, which took two thirds of a compilation.
        task.container_spec.resources = structures.ResourceSpec(
            cpu_request=size.cpu, cpu_limit=size.cpu,
            memory_request=size.memory, memory_limit=size.memory,
        )  # fmt: skip
        if isinstance(size, ModelSize):
            self._give_model(task, size)
        kubernetes.set_timeout(task, size.timeout_s)
        # With what Kubeflow sets on every container, this is admitted under "restricted".
        kubernetes.set_security_context(task, run_as_user=USER, run_as_non_root=True)
        kubernetes.empty_dir_mount(task, "tmp", "/tmp", size_limit=size.tmp)
        self._refer(task)
        if self._retried and profile.retry.count:
            task.set_retry(
                profile.retry.count,
                f"{profile.retry.backoff_s}s",
                profile.retry.factor,
                f"{profile.retry.window_for(size.timeout_s)}s",
            )
        # The content keys of the store find finished work. A driver that asks Kubeflow's cache
        # fails, and its run with it, where the API server is away for a moment.
        return task.set_caching_options(False)

    def _give_model(self, task: PipelineTask, size: ModelSize) -> None:
        """Gives a task what a model needs."""
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
            kubernetes.mount_pvc(task, profile.model_cache.name, profile.model_cache.path)
            task.set_env_variable("HF_HOME", f"{profile.model_cache.path}/huggingface")

    def _refer(self, task: PipelineTask) -> None:
        """Names the Secrets and ConfigMaps; their values are never read here."""
        from kfp import kubernetes

        for secret in self.profile.secrets:
            kubernetes.use_secret_as_env(task, secret.name, _same(secret), secret.optional)
        for settings in self.profile.settings:
            kubernetes.use_config_map_as_env(task, settings.name, _same(settings),
                                             settings.optional)  # fmt: skip
        if self.profile.image_pull_secrets:
            kubernetes.set_image_pull_secrets(task, list(self.profile.image_pull_secrets))


def _same(reference: Reference) -> dict[str, str]:
    """Returns variables by key: each key is named like its variable."""
    return {key: key for key in reference.keys}
