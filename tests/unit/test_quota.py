"""The namespace's quota against a profile, read over HTTP from a server that speaks Kubernetes."""

import msgspec
import pytest

from judgeloop.ops.doctor.quota import (
    Quota,
    TaskResources,
    amount,
    check_quotas,
    check_room,
    parse_quotas,
    shortages,
)
from judgeloop.schema.errors import ClusterError, ConfigError, PreflightError
from pipelines.cluster.kubernetes_api import PersonsCluster
from pipelines.profile import read_profile
from tests.kubernetes_api import KubernetesApi

REQUESTED: TaskResources = {"training": {"cpu": "2", "memory": "8Gi", "nvidia.com/gpu": 1}}


def quota(hard: dict[str, str], **spec: object) -> Quota:
    tree = {"metadata": {"name": "team"}, "spec": {"hard": hard, **spec}}
    (made,) = parse_quotas(msgspec.json.encode({"items": [tree]}))
    return made


def test_a_profile_that_no_quota_could_hold_is_found(kubernetes_api: KubernetesApi) -> None:
    answer = PersonsCluster("team").ask("/api/v1/namespaces/team/resourcequotas")
    quotas = parse_quotas(msgspec.json.encode(answer))
    assert kubernetes_api.asked == ["/api/v1/namespaces/team/resourcequotas"]
    assert list(shortages(read_profile("cpu").task_resources(), quotas)) == []
    assert list(shortages(read_profile("one-gpu").task_resources(), quotas)) == []
    said = list(shortages(read_profile("eight-gpu").task_resources(), quotas))
    assert len(said) == 2
    for words in (
        "`training` asks for 8 requests.nvidia.com/gpu, and the quota team holds 4",
        "`training` asks for 512Gi limits.memory, and the quota team holds 256Gi",
    ):
        assert [each for each in said if words in each]


def test_a_quota_that_may_not_be_read_is_an_error_that_names_the_way(
    kubernetes_api: KubernetesApi,
) -> None:
    with pytest.raises(ClusterError, match=r"closed cannot be read \(403: .*kubectl apply -k"):
        check_quotas(REQUESTED, PersonsCluster("closed"))


def test_requests_and_limits_are_compared_and_gpus_by_requests() -> None:
    tight = {"cpu": "1", "requests.cpu": "1999m", "limits.cpu": "2", "memory": "8Gi", "pods": "0",
             "limits.memory": "8589934591", "requests.nvidia.com/gpu": "0"}  # fmt: skip
    found = " ".join(shortages(REQUESTED, [quota(tight)]))
    for name in ("2 cpu", "2 requests.cpu", "8Gi limits.memory", "1 requests.nvidia.com/gpu"):
        assert f"asks for {name}," in found
    assert found.count("asks for") == 4


@pytest.mark.parametrize(
    ("spec", "counts"),
    [
        ({"scopes": ["Terminating"]}, True),  # each of our tasks has a deadline
        ({"scopes": ["NotBestEffort", "Terminating"]}, True),
        ({"scopes": ["NotTerminating"]}, False),
        ({"scopes": ["BestEffort"]}, False),
        ({"scopeSelector": {"matchExpressions": [
            {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]}}, False),
    ],
)  # fmt: skip
def test_a_quota_of_other_pods_is_none_of_ours(spec: dict[str, object], counts: bool) -> None:
    assert bool(list(shortages(REQUESTED, [quota({"limits.cpu": "1"}, **spec)]))) is counts


def test_where_there_is_no_quota_everything_fits_and_without_sizes_nothing_is_known() -> None:
    assert check_room(None, "team", []) == "namespace team has no quota"
    assert check_room(REQUESTED, "team", [quota({"pods": "1"})]).startswith(
        "every task fits into each"
    )
    with pytest.raises(ClusterError, match=r"team holds 64Gi limits\.memory, 10 pods; what a run"):
        check_room(None, "team", [quota({"pods": "10", "limits.memory": "64Gi"})])


def test_a_size_that_is_no_quantity_is_named() -> None:
    with pytest.raises(ConfigError, match="'64 GB' is not a Kubernetes quantity"):
        check_room({"training": {"memory": "64 GB"}}, "team", [quota({"limits.memory": "1Gi"})])


@pytest.mark.parametrize(
    "answer",
    [b"<!doctype html>", b"[]", b"\xff", b'{"kind": "Status"}',
     b'{"items": [{"metadata": {"name": "a"}, "spec": {"hard": {"cpu": "many"}}}]}'],
)  # fmt: skip
def test_an_answer_that_is_no_list_of_quotas_is_an_error(answer: bytes) -> None:
    with pytest.raises(ClusterError, match="not a list of quotas"):
        parse_quotas(answer)


def test_quantities_are_compared_in_one_unit_and_exactly() -> None:
    assert amount("1Gi") == 1024 * amount("1Mi") > amount("1G") > amount("999M")
    assert amount("500m") == amount("0.5") == amount(".5")
    assert amount("700m") == amount("0.7")  # as binary fractions they differ
    assert amount("2E") == amount("2e18") == 10**3 * amount("2P")
    assert amount(8) == amount("8")
    for wrong in ("", "-1", "64 GB", "1Gi\n", "Gi"):
        with pytest.raises(ConfigError, match="not a Kubernetes quantity"):
            amount(wrong)


def test_a_shortage_says_what_to_do() -> None:
    with pytest.raises(PreflightError, match=r"Have the quota raised, or ask for less"):
        check_room(REQUESTED, "team", [quota({"requests.nvidia.com/gpu": "0"})])
