"""How the workflow controller applies a profile's `retry`, read from its ConfigMap."""

from __future__ import annotations

from typing import Any

import yaml

from judgeloop.cluster.kubernetes import Cluster, Tree, find
from judgeloop.schema.errors import ClusterError

NAME = "workflow-controller-configmap"
KUBEFLOW_NAMESPACE = "kubeflow"


def check_retries(cluster: Cluster, count: int | None = None) -> str:
    """Describes how a failing task and a lost pod are retried; nothing here fails a run.

    Args:
        cluster: Kubernetes; the ConfigMap is looked for in `kubeflow`.
        count: `retry.count` of the profile.

    Raises:
        ClusterError: The ConfigMap may not be read, does not exist or is not YAML.
    """
    path = f"/api/v1/namespaces/{KUBEFLOW_NAMESPACE}/configmaps/{NAME}"
    found = find(cluster, path)
    if found is None:
        raise ClusterError(f"{KUBEFLOW_NAMESPACE} has no ConfigMap {NAME}")
    return meaning_of(_default(found), count)


def meaning_of(strategy: Tree, count: int | None = None) -> str:
    """Describes the effect of `templateDefaults.retryStrategy` on a run.

    Args:
        strategy: Its fields; empty if the controller sets none.
        count: `retry.count` of the profile.
    """
    policy = str(strategy.get("retryPolicy", "OnFailure" if strategy else "none"))
    limit = str(strategy.get("limit", "none"))
    times = "as often as the profile says" if count is None else f"up to {count} times"
    if policy == "Always" and limit == "0":
        return f"each task is tried again {times}, whatever ended it, and no level above it"
    if policy in ("Always", "OnFailure") and limit not in ("0", "none"):
        return (
            f"templateDefaults.retryStrategy is {{limit: {limit}, retryPolicy: {policy}}}: a "
            "failing task is tried again at every level of the pipeline above it, many times over. "
            "Set {limit: '0', retryPolicy: Always}: k8s/README.md"
        )
    return (
        f"the controller's retryPolicy is {policy}: a deleted or evicted pod is tried again "
        f"{times}, a container that failed never is; the loop's next run resumes after it "
        "(loop.reruns). Set {limit: '0', retryPolicy: Always} to change that: k8s/README.md"
    )


def _default(found: Tree) -> Tree:
    """Returns the controller's default strategy, whose settings are in one key, or one each."""
    data: dict[str, str] = found.get("data", {})
    try:
        whole: Any = yaml.safe_load(data.get("config", "")) or {}
        template = whole.get("templateDefaults") or yaml.safe_load(data.get("templateDefaults", ""))
    except (yaml.YAMLError, AttributeError) as error:
        raise ClusterError(f"the ConfigMap {NAME} is no YAML ({error})") from error
    strategy = template.get("retryStrategy") if isinstance(template, dict) else None
    return strategy if isinstance(strategy, dict) else {}
