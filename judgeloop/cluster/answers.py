"""Types for the answers of the Kubernetes API, which is checked as a whole before it is used.

Kubernetes leaves out empty fields; a proxy, an older server or a fake may return null, or something
else entirely. Null fields are left out, and a field of another type is an error.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from judgeloop.cluster.kubernetes import Tree
from judgeloop.schema.errors import ClusterError

Kind = TypeVar("Kind", bound="_Part")
NO_API = "what answers is not Kubernetes' API"
Texts = dict[str, str] | None
Moment = Annotated[datetime, Meta(tz=True)]


class _Part(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Base of all parts; None is left out when encoded."""


class Metadata(_Part, frozen=True):
    """Metadata of an object."""

    name: str | None = None
    uid: str | None = None
    creation_timestamp: Moment | None = None
    annotations: Texts = None
    labels: Texts = None


class Condition(_Part, frozen=True):
    """A condition of an object's status."""

    type: str
    status: str
    reason: str | None = None
    message: str | None = None


class Waiting(_Part, frozen=True):
    """Why a container waits."""

    reason: str | None = None
    message: str | None = None


class Terminated(_Part, frozen=True):
    """How a container ended."""

    exit_code: int | None = None
    reason: str | None = None
    finished_at: Moment | None = None


class State(_Part, frozen=True):
    """A container's state."""

    waiting: Waiting | None = None
    terminated: Terminated | None = None


class Container(_Part, frozen=True):
    """A container's status."""

    name: str | None = None
    state: State | None = None


class PodStatus(_Part, frozen=True):
    """A pod's status."""

    phase: str | None = None
    reason: str | None = None
    message: str | None = None
    conditions: list[Condition] | None = None
    init_container_statuses: list[Container] | None = None
    container_statuses: list[Container] | None = None


class Pod(_Part, frozen=True):
    """A pod that may be gone: without a uid nothing is known of it."""

    metadata: Metadata | None = None
    status: PodStatus | None = None


class Owner(_Part, frozen=True):
    """A reference to an object's owner."""

    uid: str | None = None


class ListedMetadata(_Part, frozen=True):
    """Metadata of a listed object, which always has a name."""

    name: str
    uid: str | None = None
    owner_references: list[Owner] | None = None
    creation_timestamp: Moment | None = None
    deletion_timestamp: Moment | None = None
    annotations: Texts = None
    labels: Texts = None


class ListedPod(_Part, frozen=True):
    """A pod of a list."""

    metadata: ListedMetadata
    status: PodStatus | None = None


class WorkloadStatus(_Part, frozen=True):
    """A Workload's status."""

    conditions: list[Condition] | None = None


class Workload(_Part, frozen=True):
    """A Workload of Kueue, made for a job or a pod."""

    metadata: ListedMetadata
    status: WorkloadStatus | None = None


class ClaimSpec(_Part, frozen=True):
    """A claim's spec."""

    access_modes: list[str] | None = None
    storage_class_name: str | None = None


class ClaimStatus(_Part, frozen=True):
    """A claim's status."""

    phase: str | None = None


class Claim(_Part, frozen=True):
    """A PersistentVolumeClaim."""

    spec: ClaimSpec | None = None
    status: ClaimStatus | None = None


class StorageClass(_Part, frozen=True):
    """A class of volumes."""

    metadata: Metadata | None = None
    volume_binding_mode: str | None = None


class SecretOrConfigMap(_Part, frozen=True):
    """A Secret or a ConfigMap; only the names of its keys are used."""

    data: dict[str, Any] | None = None
    binary_data: dict[str, Any] | None = None


class Hard(_Part, frozen=True):
    """A quota's spec: the limits of its resources."""

    hard: dict[str, Any] | None = None


class CountedQuota(_Part, frozen=True):
    """A ResourceQuota."""

    spec: Hard | None = None


class Limit(_Part, frozen=True):
    """What a range sets for one type of object."""

    type: str | None = None
    default: dict[str, Any] | None = None
    default_request: dict[str, Any] | None = None


class Limits(_Part, frozen=True):
    """A range's spec."""

    limits: list[Limit] | None = None


class LimitRange(_Part, frozen=True):
    """A LimitRange."""

    spec: Limits | None = None


class Taint(_Part, frozen=True):
    """A taint, which keeps pods off a node."""

    key: str
    effect: str
    value: str | None = None


class NodeSpec(_Part, frozen=True):
    """A node's spec."""

    taints: list[Taint] | None = None


class NodeStatus(_Part, frozen=True):
    """A node's status."""

    allocatable: dict[str, str | int] | None = None


class Node(_Part, frozen=True):
    """A node."""

    metadata: ListedMetadata
    spec: NodeSpec | None = None
    status: NodeStatus | None = None


def tree_of(answer: bytes) -> Tree:
    """Parses an answer as a JSON object.

    Raises:
        ClusterError: It is not a JSON object, but a page of a proxy, for example.
    """
    try:
        return msgspec.json.decode(answer, type=Tree)
    except (ValueError, RecursionError):
        raise ClusterError(NO_API) from None


def moment_of(date: str | None) -> datetime:
    """Parses the `Date` header of an answer.

    Raises:
        ClusterError: It is not a date.
    """
    try:
        at = parsedate_to_datetime(str(date))
    except (ValueError, OverflowError):
        raise ClusterError(f"{NO_API} (its date is {date!r})") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def checked(answer: Tree, kind: type[Kind]) -> Tree:
    """Decodes an object as a type; null fields are left out.

    Raises:
        ClusterError: Something in it is of another type.
    """
    try:
        found: Tree = msgspec.to_builtins(msgspec.convert(answer, kind))
    except (ValueError, RecursionError) as error:
        raise ClusterError(f"{NO_API} ({error})") from None
    return found


def checked_items(answer: Tree, kind: type[Kind]) -> list[Tree]:
    """Decodes each object of a list as a type; see `checked`.

    Raises:
        ClusterError: It is no list, or something in it is of another type.
    """
    items = answer.get("items")
    if items is None:
        return []
    if not isinstance(items, list):
        raise ClusterError(f"{NO_API} (Expected `array`, got `{type(items).__name__}`)")
    return [checked(item, kind) for item in items]
