"""A profile: the resources of a loop's tasks on a cluster, from one file in `k8s/profiles/`.

All of it is compiled into the package as constants: a parameter of a run would be repeated in every
node of Argo's object, and `make submit` compiles anyway.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml
from msgspec import Meta

from judgeloop.ops.doctor.needs import Named, Needs
from judgeloop.ops.doctor.needs import Toleration as Tolerated
from judgeloop.ops.doctor.quota import Quantity, TaskResources, amount
from judgeloop.schema.config import Count, Positive, Section, parse_section
from judgeloop.schema.errors import ConfigError, reason_of

FOLDER = Path(__file__).resolve().parent.parent / "k8s" / "profiles"

Name = Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
"""The name of a Kubernetes object."""


class Size(Section, frozen=True, kw_only=True):
    """Resources of one task: requests and limits are equal, so that its pod is evicted last."""

    cpu: Quantity
    memory: Quantity
    timeout_s: Positive
    """Seconds after which the pod is ended, counted from its start on a node; the pipeline's next
    attempt resumes after the last complete shard."""
    tmp: Quantity
    """Size of /tmp, the only folder that a task writes to, on the node's disk."""


class ModelSize(Size, frozen=True, kw_only=True):
    """Resources of a task with a model."""

    gpus: Count
    shm: Quantity
    """Size of /dev/shm, 64 MB without it: PyTorch's and vLLM's processes share tensors there. Its
    contents count as memory of the pod."""

    def __post_init__(self) -> None:
        """Refuses a size with which a pod would be killed."""
        if amount(self.shm) >= amount(self.memory):
            raise ValueError("shm counts as memory of the pod, so it must be less than memory")


class Toleration(Section, frozen=True, kw_only=True, omit_defaults=True):
    """A taint that GPU tasks tolerate."""

    key: str
    operator: Literal["Exists", "Equal"] = "Equal"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None


class Reference(Section, frozen=True, kw_only=True):
    """A Secret or a ConfigMap of the namespace whose keys become environment variables."""

    name: Name
    keys: tuple[Annotated[str, Meta(pattern="^[A-Z][A-Z0-9_]*$")], ...]
    """Keys, each named like the variable that it becomes. The profile never holds a value."""
    optional: bool = False
    """Whether tasks start without it."""


class Claim(Section, frozen=True, kw_only=True):
    """A volume that GPU tasks mount, so that a model is fetched once; it contains `HF_HOME`.

    The first task mounts it too, to check whether it is writable.
    """

    name: Name
    path: Annotated[str, Meta(pattern="^/.+")]


class Retry(Section, frozen=True, kw_only=True):
    """How a task is retried; docs/kubeflow.md describes the effect on a cluster."""

    count: Count
    """Further attempts after the first."""
    backoff_s: Positive = 60
    """Seconds before the first of them."""
    factor: Annotated[int, Meta(ge=1)] = 2
    """Back-off factor between waits: an integer, since Argo resolves nothing else."""
    window_s: Positive | None = None
    """Seconds from the start of the first attempt, after which nothing is retried and the running
    attempt is killed. None: as long as all attempts with their waits may take."""

    def window_for(self, timeout_s: int) -> int:
        """Returns the window of a task in seconds.

        Args:
            timeout_s: The time limit of one attempt in seconds.
        """
        waits = sum(self.backoff_s * self.factor**i for i in range(self.count))
        return self.window_s or (self.count + 1) * timeout_s + waits


class Profile(Section, frozen=True, kw_only=True):
    """The resources and settings of all tasks on a cluster."""

    cpu: Size
    """Tasks without a model."""
    inference: ModelSize
    training: ModelSize
    gpu_type: str = "nvidia.com/gpu"
    """The resource that `gpus` counts."""
    node_selector: dict[str, str] = msgspec.field(default_factory=dict)
    """Labels of the nodes that run inference and training."""
    tolerations: tuple[Toleration, ...] = ()
    """Taints that inference and training tolerate."""
    model_cache: Claim | None = None
    queue: Name | None = None
    """A Kueue LocalQueue that admits tasks with a model."""
    image_pull_secrets: tuple[Name, ...] = ()
    secrets: tuple[Reference, ...] = ()
    settings: tuple[Reference, ...] = ()
    """ConfigMaps: addresses and other settings that are no secret."""
    retry: Retry
    start_within_s: Positive = 1800
    """Seconds within which a task must start, else the run is ended: Kubernetes itself never gives
    up on a missing node, image, claim or Secret."""

    def __post_init__(self) -> None:
        """Refuses settings that KFP or a cluster cannot handle."""
        if max(self.inference.gpus, self.training.gpus) and not self.tolerations:
            raise ValueError("tolerations is empty: nodes with GPUs are tainted")
        longest = max(self.cpu.timeout_s, self.inference.timeout_s, self.training.timeout_s)
        if self.retry.window_s and self.retry.window_s <= longest:
            raise ValueError(
                f"retry.window_s counts from the first start and ends the running attempt, so it "
                f"must be more than the longest timeout_s, {longest}"
            )
        variables = [key for each in (*self.secrets, *self.settings) for key in each.keys]
        if any("HF_HOME" in each.keys for each in self.secrets):
            raise ValueError("HF_HOME is no secret: settings or model_cache give it")
        twice = sorted({name for name in variables if variables.count(name) > 1})
        if twice:
            raise ValueError(f"secrets and settings give {twice} more than once")

    def task_resources(self) -> TaskResources:
        """Returns the resource requests of one task of each kind, by Kubernetes' names."""
        found: dict[str, dict[str, str | int]] = {
            kind: {"cpu": size.cpu, "memory": size.memory, self.gpu_type: size.gpus}
            for kind, size in (("inference", self.inference), ("training", self.training))
        }
        return {"cpu": {"cpu": self.cpu.cpu, "memory": self.cpu.memory}, **found}

    def needs(self) -> dict[str, Any]:
        """Returns the tasks' requirements on a namespace (`judgeloop.ops.doctor.needs`)."""
        found: dict[str, Any] = msgspec.json.decode(
            msgspec.json.encode(
                Needs(
                    tasks=self.task_resources(),
                    claim=self.model_cache.name if self.model_cache else None,
                    claim_path=self.model_cache.path if self.model_cache else None,
                    secrets=tuple(_named(each) for each in self.secrets),
                    settings=tuple(_named(each) for each in self.settings),
                    node_selector=self.node_selector,
                    tolerations=tuple(
                        msgspec.convert(msgspec.to_builtins(each), Tolerated)
                        for each in self.tolerations
                    ),
                )
            )
        )  # KFP takes lists, not tuples
        return found


def _named(reference: Reference) -> Named:
    return Named(name=reference.name, keys=reference.keys, optional=reference.optional)


def read_profile(name: str) -> Profile:
    """Reads a profile.

    Args:
        name: A file's name in `k8s/profiles/` without `.yaml`, or the path of a YAML file.

    Raises:
        ConfigError: There is no such file, or a key or a value in it is wrong.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else FOLDER / f"{name}.yaml"
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        known = ", ".join(sorted(each.stem for each in FOLDER.glob("*.yaml")))
        raise ConfigError(
            f"profile {name}: {path} cannot be read ({reason_of(error)}). Known: {known}; or give "
            "a YAML file."
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {error}") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: must hold a mapping, not {type(tree).__name__}")
    return parse_section(tree, Profile, str(path))
