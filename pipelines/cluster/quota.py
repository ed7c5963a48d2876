"""Whether the namespace's quota lets the tasks of a profile in, read from Kubernetes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.cluster.kubernetes_api import TIMEOUT_S, core_api
from pipelines.profile import ModelSize, Profile, Size, amount


def read_quotas(namespace: str) -> list[Any]:
    """Returns the ResourceQuotas of a namespace (`kubernetes.client.V1ResourceQuota`).

    Raises:
        ClusterError: Kubernetes cannot be asked: no kubeconfig, no answer, or no permission.
    """
    with core_api(
        f"the quota of namespace {namespace}", f"kubectl describe quota -n {namespace}"
    ) as api:
        found = api.list_namespaced_resource_quota(namespace, _request_timeout=TIMEOUT_S)
    return list(found.items)


def shortages(profile: Profile, quotas: list[Any]) -> Iterator[str]:
    """Yields what a single task asks beyond a whole quota: such a task would wait for ever."""
    for quota in quotas:
        hard: Mapping[str, str] = (quota.status and quota.status.hard) or quota.spec.hard or {}
        for kind, size in (("cpu", profile.cpu), ("inference", profile.inference),
                           ("training", profile.training)):  # fmt: skip
            for name, asked in _asked(size, profile.gpu_type).items():
                if name in hard and amount(asked) > amount(hard[name]):
                    yield (
                        f"a task of `{kind}` asks for {asked} {name}, and the quota "
                        f"{quota.metadata.name} holds {hard[name]} in all: ask for more, or take a "
                        "smaller profile"
                    )


def _asked(size: Size, gpu_type: str) -> dict[str, str]:
    """Returns what one task takes of a quota; requests and limits are the same."""
    asked = {}
    for way in ("requests", "limits"):
        asked |= {f"{way}.cpu": size.cpu, f"{way}.memory": size.memory}
    asked |= {"cpu": size.cpu, "memory": size.memory}
    if isinstance(size, ModelSize):
        asked[f"requests.{gpu_type}"] = str(size.gpus)
    return asked
