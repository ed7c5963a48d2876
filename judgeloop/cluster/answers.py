"""What is read of Kubernetes' answers: fields that are absent, null or of another type fit a type.

Kubernetes leaves out what is empty; a proxy, an older server or a fake may say null, or something
else entirely. An answer is checked whole before anything is concluded from it.
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
    """Base of all parts; what is None is left out again."""


class Metadata(_Part, frozen=True):
    """What an object is called."""

    name: str | None = None
    uid: str | None = None
    creation_timestamp: Moment | None = None
    annotations: Texts = None
    labels: Texts = None


class Condition(_Part, frozen=True):
    """One thing that a pod has reached or not."""

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
    """What a container does."""

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
    """A pod that may be gone: without its uid nothing is known of it."""

    metadata: Metadata | None = None
    status: PodStatus | None = None


class Owner(_Part, frozen=True):
    """What an object was made for."""

    uid: str | None = None


class OfList(_Part, frozen=True):
    """What an object of a list is called: it has a name."""

    name: str
    uid: str | None = None
    owner_references: list[Owner] | None = None
    creation_timestamp: Moment | None = None
    deletion_timestamp: Moment | None = None
    annotations: Texts = None
    labels: Texts = None


class ListedPod(_Part, frozen=True):
    """A pod of a list."""

    metadata: OfList
    status: PodStatus | None = None


class WorkloadStatus(_Part, frozen=True):
    """How far a queue is with it."""

    conditions: list[Condition] | None = None


class Workload(_Part, frozen=True):
    """What a queue of Kueue's admits: a job's or a pod's."""

    metadata: OfList
    status: WorkloadStatus | None = None


class ClaimSpec(_Part, frozen=True):
    """What a claim wants."""

    access_modes: list[str] | None = None
    storage_class_name: str | None = None


class ClaimStatus(_Part, frozen=True):
    """Whether it has it."""

    phase: str | None = None


class Claim(_Part, frozen=True):
    """A PersistentVolumeClaim."""

    spec: ClaimSpec | None = None
    status: ClaimStatus | None = None


class StorageClass(_Part, frozen=True):
    """A class of volumes."""

    metadata: Metadata | None = None
    volume_binding_mode: str | None = None


class Held(_Part, frozen=True):
    """A Secret or a ConfigMap; only the names of its keys are looked at."""

    data: dict[str, Any] | None = None
    binary_data: dict[str, Any] | None = None


class Hard(_Part, frozen=True):
    """The resources that a quota counts."""

    hard: dict[str, Any] | None = None


class CountedQuota(_Part, frozen=True):
    """A ResourceQuota."""

    spec: Hard | None = None


class Limit(_Part, frozen=True):
    """What a range sets for one kind of thing."""

    type: str | None = None
    default: dict[str, Any] | None = None
    default_request: dict[str, Any] | None = None


class Limits(_Part, frozen=True):
    """All of them."""

    limits: list[Limit] | None = None


class LimitRange(_Part, frozen=True):
    """A LimitRange."""

    spec: Limits | None = None


class Taint(_Part, frozen=True):
    """What keeps pods from a node."""

    key: str
    effect: str
    value: str | None = None


class NodeSpec(_Part, frozen=True):
    """What a node is meant for."""

    taints: list[Taint] | None = None


class NodeStatus(_Part, frozen=True):
    """What a node holds."""

    allocatable: dict[str, str | int] | None = None


class Node(_Part, frozen=True):
    """A node."""

    metadata: OfList
    spec: NodeSpec | None = None
    status: NodeStatus | None = None


def tree_of(answer: bytes) -> Tree:
    """Returns an answer as a tree of JSON.

    Raises:
        ClusterError: It is no JSON object, such as a page of a proxy.
    """
    try:
        return msgspec.json.decode(answer, type=Tree)
    except (ValueError, RecursionError):
        raise ClusterError(NO_API) from None


def moment_of(date: str | None) -> datetime:
    """Returns when an answer was made, as its HTTP header says.

    Raises:
        ClusterError: It says no date.
    """
    try:
        at = parsedate_to_datetime(str(date))
    except (ValueError, OverflowError):
        raise ClusterError(f"{NO_API} (its date is {date!r})") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def checked(answer: Tree, kind: type[Kind]) -> Tree:
    """Returns of an object what its kind says; what is null is left out.

    Raises:
        ClusterError: Something in it is of another type.
    """
    try:
        found: Tree = msgspec.to_builtins(msgspec.convert(answer, kind))
    except (ValueError, RecursionError) as error:
        raise ClusterError(f"{NO_API} ({error})") from None
    return found


def checked_items(answer: Tree, kind: type[Kind]) -> list[Tree]:
    """Returns of each object of a list what its kind says; see `checked`.

    Raises:
        ClusterError: It is no list, or something in it is of another type.
    """
    items = answer.get("items")
    if items is None:
        return []
    if not isinstance(items, list):
        raise ClusterError(f"{NO_API} (Expected `array`, got `{type(items).__name__}`)")
    return [checked(item, kind) for item in items]
