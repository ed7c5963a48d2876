"""The namespace's quota against a profile, read over HTTP from a server that speaks Kubernetes."""

import pytest

from judgeloop.errors import ClusterError
from pipelines.cluster.quota import read_quotas, shortages
from pipelines.profile import read_profile
from tests.kubernetes_api import KubernetesApi


def test_a_profile_that_no_quota_could_hold_is_found(kubernetes_api: KubernetesApi) -> None:
    quotas = read_quotas("team")
    assert kubernetes_api.asked == ["/api/v1/namespaces/team/resourcequotas"]
    assert list(shortages(read_profile("cpu"), quotas)) == []
    assert list(shortages(read_profile("one-gpu"), quotas)) == []
    said = list(shortages(read_profile("eight-gpu"), quotas))
    assert len(said) == 2
    for words in (
        "`training` asks for 8 requests.nvidia.com/gpu, and the quota team holds 4",
        "`training` asks for 512Gi limits.memory, and the quota team holds 256Gi",
    ):
        assert [each for each in said if words in each]


def test_a_quota_that_may_not_be_read_is_an_error_that_names_the_way(
    kubernetes_api: KubernetesApi,
) -> None:
    with pytest.raises(ClusterError, match="kubectl describe quota -n closed"):
        read_quotas("closed")
