"""The quotas of a namespace, read from Kubernetes as kubectl would."""

from __future__ import annotations

from judgeloop.ops.doctor.quota import Quota, parse_quotas
from pipelines.cluster.kubernetes_api import TIMEOUT_S, core_api


def read_quotas(namespace: str) -> list[Quota]:
    """Returns the quotas of a namespace.

    Raises:
        ClusterError: Kubernetes cannot be asked: no kubeconfig, no answer, or no permission.
    """
    with core_api(
        f"the quota of namespace {namespace}", f"kubectl describe quota -n {namespace}"
    ) as api:
        answer = api.list_namespaced_resource_quota(
            namespace, _preload_content=False, _request_timeout=TIMEOUT_S
        )
        return parse_quotas(answer.data)
