"""Writes a profile into the compiled pipeline: what each task asks of the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipelines.profile import (
    INFERENCE,
    TRAINING,
    UNCACHED,
    ModelSize,
    Profile,
    Reference,
    Size,
)

if TYPE_CHECKING:
    from kfp.dsl import PipelineTask

SHM = "/dev/shm"
_NONE: Mapping[str, Any] = {}


class Placement:
    """Applies one profile to tasks.

    Args:
        profile: What to ask for.
        retried: Whether a failed task is started again.
    """

    def __init__(self, profile: Profile, *, retried: bool) -> None:
        self.profile = profile
        self._retried = retried

    def place(self, task: PipelineTask, sizes: Mapping[str, Any] = _NONE) -> PipelineTask:
        """Gives a task all that its stage gets.

        Args:
            task: The task of a component; the component's name is the stage.
            sizes: The pipeline's size parameters (`Profile.arguments`), for a task with a model. It
                must lie in a sub-pipeline that declares them: KFP 2.17 loses resource parameters of
                tasks directly inside a loop, a condition or an exit handler.

        Returns:
            The same task.
        """
        from kfp import kubernetes

        stage, profile = task.component_spec.name.replace("-", "_"), self.profile
        size: Size = profile.cpu
        if stage in INFERENCE:
            size = profile.inference
            self._give_model(task, size, "inference", sizes)
        elif stage in TRAINING:
            size = profile.training
            self._give_model(task, size, "training", sizes)
        else:
            _set_size(task, size.cpu, size.memory)
        kubernetes.set_timeout(task, size.timeout_s)
        self._refer(task)
        if self._retried and profile.retry.count:
            task.set_retry(
                profile.retry.count,
                f"{profile.retry.backoff_s}s",
                profile.retry.factor,
                f"{profile.retry.max_backoff_s}s",
            )
        return task.set_caching_options(stage not in UNCACHED | set(profile.uncached))

    def _give_model(
        self, task: PipelineTask, size: ModelSize, kind: str, sizes: Mapping[str, Any]
    ) -> None:
        """Gives a task what a model needs.

        The GPU is there with a count of 0 too, for the count comes when a run starts.
        """
        from kfp import kubernetes

        _set_size(task, sizes[f"{kind}_cpu"], sizes[f"{kind}_memory"])
        task.set_accelerator_type(self.profile.gpu_type)
        task.set_accelerator_limit(sizes[f"{kind}_gpus"])
        kubernetes.add_node_selector_json(task, sizes["node_selector"])
        kubernetes.add_toleration_json(task, sizes["tolerations"])
        kubernetes.empty_dir_mount(task, "shm", SHM, medium="Memory", size_limit=size.shm)
        cache = self.profile.model_cache
        if cache:
            kubernetes.mount_pvc(task, cache.name, cache.path)

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


def _set_size(task: PipelineTask, cpu: Any, memory: Any) -> None:
    task.set_cpu_request(cpu).set_cpu_limit(cpu)
    task.set_memory_request(memory).set_memory_limit(memory)


def _same(reference: Reference) -> dict[str, str]:
    """Returns variables by key: each key is named like its variable."""
    return {key: key for key in reference.keys}
