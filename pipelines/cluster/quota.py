"""Whether the namespace's quota lets the tasks of a profile in, read from Kubernetes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from judgeloop.errors import ClusterError
from pipelines.profile import ModelSize, Profile, Size, amount

TIMEOUT_S = 5


def read_quotas(namespace: str) -> list[Any]:
    """Returns the ResourceQuotas of a namespace (`kubernetes.client.V1ResourceQuota`).

    Raises:
        ClusterError: Kubernetes cannot be asked: no kubeconfig, no answer, or no permission.
    """
    import kubernetes
    import urllib3

    try:
        kubernetes.config.load_config()
        settings = kubernetes.client.Configuration.get_default_copy()
        settings.retries = False
        api = kubernetes.client.CoreV1Api(kubernetes.client.ApiClient(settings))
        return api.list_namespaced_resource_quota(namespace, _request_timeout=TIMEOUT_S).items
    except (kubernetes.config.ConfigException, kubernetes.client.ApiException,
            urllib3.exceptions.HTTPError, OSError) as error:  # fmt: skip
        reason = getattr(error, "reason", None) or error
        raise ClusterError(
            f"the quota of namespace {namespace} cannot be read ({reason}): ask `kubectl describe "
            f"quota -n {namespace}` with an account that may"
        ) from None


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
