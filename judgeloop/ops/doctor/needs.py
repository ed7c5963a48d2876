"""What a loop's tasks need of a namespace, from the profile, as passed to the first task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from judgeloop.ops.doctor.quota import TaskResources
from judgeloop.schema.errors import ConfigError


class Toleration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A taint that tasks with a model tolerate; empty fields match all, as in Kubernetes."""

    key: str = ""
    operator: Literal["Exists", "Equal"] = "Equal"
    value: str | None = None
    effect: str | None = None


class Named(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A Secret or a ConfigMap, and the keys of it that tasks read."""

    name: str
    keys: tuple[str, ...]
    optional: bool = False


class Needs(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a loop's tasks need of a namespace. It names Secrets and holds no value of one."""

    tasks: TaskResources = {}
    """Resource requests of one task of each kind."""
    claim: str | None = None
    """The volume for models."""
    claim_path: str | None = None
    """Where tasks mount it."""
    secrets: tuple[Named, ...] = ()
    settings: tuple[Named, ...] = ()
    """ConfigMaps."""
    node_selector: dict[str, str] = {}
    """Labels of the nodes for tasks with a model."""
    tolerations: tuple[Toleration, ...] = ()
    """Taints that tasks with a model tolerate."""
    images: dict[str, str] = {}
    """The image of each kind of task, where it is known."""


def parse_needs(tree: Mapping[str, Any]) -> Needs:
    """Parses the requirements with which a pipeline was compiled.

    Raises:
        ConfigError: They cannot be parsed: the pipeline has another version than the image.
    """
    try:
        return msgspec.convert(tree, Needs, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"what the pipeline says of its tasks cannot be read ({error}): compile and submit it "
            "with the version of judgeloop that is in the images"
        ) from error
