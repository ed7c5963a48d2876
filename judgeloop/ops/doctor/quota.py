"""Checks that a task's resource requests fit into a namespace's quota.

A task that requests more than a whole quota is never started, and neither Kubernetes nor Argo
reports that to a waiting user.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import Meta

from judgeloop.cluster.kubernetes import OUTSIDE, Cluster
from judgeloop.schema.errors import ClusterError, ConfigError, PreflightError

QUANTITY = r"^([0-9]+\.?[0-9]*|\.[0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?$"
"""Kubernetes' grammar of a quantity, without a sign."""
Quantity = Annotated[str, Meta(pattern=QUANTITY)]
"""A Kubernetes quantity, such as `500m` or `16Gi`."""
_UNITS = {unit: Decimal(10) ** power for unit, power in (
    ("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15),
    ("E", 18),
)} | {unit: Decimal(1024) ** power for power, unit in enumerate(
    ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), start=1
)}  # fmt: skip
_MEASURED_BOTH_WAYS = ("cpu", "memory")
"""Resources that a quota counts by requests and by limits; others, such as GPUs, by requests."""
_OURS = {"Terminating", "NotBestEffort"}
"""Scopes of a quota that apply to all of judgeloop's pods: they have a deadline, requests and
limits."""

TaskResources = Mapping[str, Mapping[str, str | int]]
"""Resource requests of one task of each kind, such as
`{"training": {"cpu": "8", "nvidia.com/gpu": 1}}`; requests and limits are the same."""


def amount(quantity: str | int) -> Decimal:
    """Returns a Kubernetes quantity as a number: cores, bytes or pieces.

    Raises:
        ConfigError: It is not valid.
    """
    found = re.fullmatch(QUANTITY, str(quantity))
    if found is None:
        raise ConfigError(f"{quantity!r} is not a Kubernetes quantity, such as 500m or 16Gi")
    number, unit = found.groups(default="")
    return Decimal(number) * _UNITS[unit] if unit in _UNITS else Decimal(number + unit)


class Metadata(msgspec.Struct, frozen=True):
    """Metadata of an object."""

    name: str


class Expression(msgspec.Struct, frozen=True, rename="camel"):
    """One condition on the pods that a quota counts."""

    scope_name: str


class Selector(msgspec.Struct, frozen=True, rename="camel"):
    """All conditions on the pods that a quota counts."""

    match_expressions: tuple[Expression, ...] = ()


class Limits(msgspec.Struct, frozen=True, rename="camel"):
    """A quota's limits, as requested (`spec`) or in force (`status`)."""

    hard: dict[str, Quantity] = {}
    scopes: tuple[str, ...] = ()
    scope_selector: Selector = Selector()


class Quota(msgspec.Struct, frozen=True):
    """The fields of a ResourceQuota that are read."""

    metadata: Metadata
    spec: Limits = Limits()
    status: Limits = Limits()

    @property
    def hard(self) -> Mapping[str, Quantity]:
        """Limit of each resource over all pods of the namespace."""
        return self.status.hard or self.spec.hard

    @property
    def counts_ours(self) -> bool:
        """Whether it counts judgeloop's pods."""
        selected = {each.scope_name for each in self.spec.scope_selector.match_expressions}
        return {*self.spec.scopes, *selected} <= _OURS


class _QuotaList(msgspec.Struct, frozen=True):
    items: list[Quota]


def parse_quotas(answer: bytes) -> list[Quota]:
    """Returns the quotas of Kubernetes' answer, a ResourceQuotaList.

    Raises:
        ClusterError: It is something else.
    """
    try:
        return msgspec.json.decode(answer, type=_QuotaList).items
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ClusterError(f"the response is not a list of quotas ({error})") from error


def check_quotas(task_resources: TaskResources | None, cluster: Cluster) -> str:
    """Checks that each task fits into the quotas of a namespace; see `check_room`.

    Raises:
        ClusterError: The quotas may not be listed, or the tasks' requests are not known.
        PreflightError: A task would never be started.
    """
    try:
        answer = cluster.ask(f"/api/v1/namespaces/{cluster.namespace}/resourcequotas")
        quotas = parse_quotas(msgspec.json.encode(answer))
    except ClusterError as error:
        raise ClusterError(
            f"the quota of namespace {cluster.namespace} cannot be read ({error}). Where the "
            f"account may not: `kubectl apply -k k8s/overlays/standalone`. {OUTSIDE}"
        ) from None
    return check_room(task_resources, cluster.namespace, quotas)


def check_room(
    task_resources: TaskResources | None, namespace: str, quotas: Sequence[Quota]
) -> str:
    """Checks that each task fits into the namespace's quotas.

    Raises:
        ClusterError: The requests of the tasks are not known; the message shows the quotas.
        ConfigError: A request is not a quantity.
        PreflightError: A task would never be started; the message says which, and what to do.
    """
    if not quotas:
        return f"namespace {namespace} has no quota"
    if task_resources is None:
        held = "; ".join(
            f"{quota.metadata.name} holds "
            + ", ".join(f"{many} {name}" for name, many in sorted(quota.hard.items()))
            for quota in quotas
        )
        raise ClusterError(
            f"{held}; what a run asks for is compared by its first task, what a profile asks for "
            "by `make doctor-kubeflow PROFILE=...`"
        )
    found = list(shortages(task_resources, quotas))
    if found:
        raise PreflightError(
            "; ".join(found) + ": such a task would never start. Have the quota raised, or ask "
            "for less: a smaller profile, or other parameters of the run"
        )
    return f"every task fits into each of the {len(quotas)} quota(s) of {namespace}"


def shortages(task_resources: TaskResources, quotas: Sequence[Quota]) -> Iterator[str]:
    """Yields the requests of a single task that exceed a whole quota.

    Raises:
        ConfigError: A request is not a quantity.
    """
    for quota in quotas:
        if not quota.counts_ours:
            continue
        for kind, resources in task_resources.items():
            for name, many in _counted(resources):
                if name in quota.hard and amount(many) > amount(quota.hard[name]):
                    yield (
                        f"a task of `{kind}` asks for {many} {name}, and the quota "
                        f"{quota.metadata.name} holds {quota.hard[name]} in all"
                    )


def _counted(resources: Mapping[str, str | int]) -> Iterator[tuple[str, str | int]]:
    """Yields the names under which a quota counts a task's requests."""
    for name, many in resources.items():
        yield f"requests.{name}", many
        if name in _MEASURED_BOTH_WAYS:
            yield f"limits.{name}", many
            yield name, many
