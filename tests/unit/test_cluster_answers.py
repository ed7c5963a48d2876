"""Answers of Kubernetes' API with fields that are missing, null or of another type."""

import json
from datetime import UTC
from typing import Any

import pytest

from judgeloop.cluster.answers import Pod, checked, tree_of
from judgeloop.ops.doctor.namespace import check_claim, check_nodes, check_references
from judgeloop.ops.doctor.needs import Named, Needs
from judgeloop.ops.pods.late import late
from judgeloop.ops.pods.waiting import findings, task_of
from judgeloop.ops.pods.watch import Watch
from judgeloop.ops.pods.workflow import parse_workflow
from judgeloop.runtime import holder_pod
from judgeloop.schema.errors import ClusterError
from pipelines.cluster.run_pods import read_pods
from tests.fuzz.kubernetes_answers import DATE, HERE, Given

NAMED = {"metadata": {"name": "pod-1"}}
ODD: dict[str, Any] = {
    "no list": {"items": {"a": 1}},
    "a list of nothing": {"items": [None]},
    "no name": {"items": [{"metadata": {}}]},
    "a number for a name": {"items": [{"metadata": {"name": 7}}]},
    "a list for a status": {"items": [{**NAMED, "status": []}]},
    "a text for conditions": {"items": [{**NAMED, "status": {"conditions": "none"}}]},
    "a number for a time": {"items": [{"metadata": {"name": "a", "creationTimestamp": "7"}}]},
    "a time without a zone": {
        "items": [{"metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:00"}}]
    },
}
EMPTY: dict[str, Any] = {
    "no items": {},
    "null items": {"items": None},
    "a null status": {"items": [{**NAMED, "status": None}]},
    "null lists": {"items": [{**NAMED, "status": {"phase": "Pending", "conditions": None,
                                                 "containerStatuses": None}}]},
    "a null state": {"items": [{**NAMED, "status": {"phase": "Failed", "containerStatuses": [
        {"name": "main", "state": None}]}}]},
    "null annotations": {"items": [{"metadata": {"name": "a", "annotations": None}}]},
    "an empty path": {"items": [{"metadata": {"name": "a", "annotations": {
        "workflows.argoproj.io/node-name": "executor"}}}]},
}  # fmt: skip
PAGES = [b"<html>", b"", b"null", b"[]", b'"x"', b"[" * 100_000, b"\xff\xfe"]


@pytest.mark.parametrize("what", ODD)
def test_pods_with_values_of_another_type_are_not_kubernetes_answer(what: str) -> None:
    with pytest.raises(ClusterError, match="what answers is not Kubernetes' API"):
        read_pods(json.dumps(ODD[what]).encode(), DATE)


@pytest.mark.parametrize("what", EMPTY)
def test_pods_with_fields_that_are_missing_or_null_are_read(what: str) -> None:
    found = read_pods(json.dumps(EMPTY[what]).encode(), DATE)
    assert len(found.pods) == len(EMPTY[what].get("items") or ())
    list(findings(found.pods))
    assert late(found, 1800) is None
    assert [task_of(pod) for pod in found.pods] in ([], ["pod-1"], ["a"], [""])


@pytest.mark.parametrize("answer", PAGES)
def test_what_is_no_json_object_is_no_answer(answer: bytes) -> None:
    with pytest.raises(ClusterError, match="what answers is not Kubernetes' API"):
        tree_of(answer)


@pytest.mark.parametrize("date", [None, "", "yesterday", "Sat, 28 Nov 99999 12:00:00 GMT"])
def test_pods_without_the_servers_time_are_no_answer(date: str | None) -> None:
    with pytest.raises(ClusterError, match="its date is"):
        read_pods(b"{}", date)
    assert read_pods(b"{}", "Sat, 28 Nov 2026 12:00:00 -0000").at.tzinfo is UTC


@pytest.mark.parametrize(
    "answer",
    [{}, {"metadata": None}, {"metadata": {}}, {"metadata": []}, {"status": {"phase": "Failed"}},
     {"metadata": {"uid": 7}}, {"metadata": {"uid": "uid-0"}, "status": ["Failed"]}],
)  # fmt: skip
def test_a_holder_is_not_taken_for_gone_by_an_answer_that_is_of_no_pod(
    monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any]
) -> None:
    monkeypatch.setattr(holder_pod, "this_pod", lambda: HERE)
    monkeypatch.setattr(holder_pod, "_read", lambda path: answer)
    assert not holder_pod.is_pod_gone(HERE)


@pytest.mark.parametrize(
    "answer",
    [{"items": "x"}, {"items": [[]]}, {"items": [{"metadata": {"name": "a"}, "status": "up"}]},
     {"items": [{"metadata": {"name": "a"}, "spec": {"taints": [{"key": 1}]}}]},
     {"items": [{"metadata": {"name": "a"}, "status": {"allocatable": {"cpu": None}}}]}],
)  # fmt: skip
def test_nodes_of_another_shape_are_unknown_not_too_small(answer: dict[str, Any]) -> None:
    with pytest.raises(ClusterError, match="what answers is not Kubernetes' API"):
        check_nodes(Needs(tasks={"cpu": {"cpu": "1"}}), Given(json.dumps(answer).encode()))


def test_claims_and_secrets_of_another_shape_are_unknown_not_missing() -> None:
    cluster = Given(b'{"status": "Bound", "data": ["KEY"]}')
    with pytest.raises(ClusterError, match="what answers is not Kubernetes' API"):
        check_claim(Needs(claim="models"), cluster)
    with pytest.raises(ClusterError, match="what answers is not Kubernetes' API"):
        check_references("secrets", (Named(name="s", keys=("KEY",)),), cluster)


def test_null_is_as_if_it_were_absent() -> None:
    assert checked({"metadata": None, "status": {"phase": None, "reason": "x"}}, Pod) == {
        "status": {"reason": "x"}
    }


@pytest.mark.parametrize("what", ODD)
def test_a_watch_does_not_stumble_over_pods_of_another_shape(what: str) -> None:
    with pytest.raises(ClusterError, match="what answers is not Kubernetes' API"):
        Watch(Given(json.dumps(ODD[what]).encode()), "run", 1800)._list("")


@pytest.mark.parametrize("since", ["yesterday", 7, "2026-01-01T00:00:00", []])
def test_a_node_whose_beginning_cannot_be_read_is_of_no_workflow(since: Any) -> None:
    node = {"id": "a", "name": "x", "type": "Pod", "message": "m", "startedAt": since}
    with pytest.raises(ClusterError, match="not a Workflow of Argo's"):
        parse_workflow({"items": [{"status": {"nodes": {"a": node}}}]})
