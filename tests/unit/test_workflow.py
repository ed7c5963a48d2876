"""Argo's Workflow tells what neither pods nor Kubeflow's API do; the recorded ones are read."""

import base64
import gzip
import json
from typing import Any

import pytest

from judgeloop.ops.pods.waiting import explain, is_driver, task_of
from judgeloop.ops.pods.workflow import absent_pods, parse_workflow
from judgeloop.schema.errors import ClusterError
from tests.conftest import REPOSITORY

RECORDED = REPOSITORY.parent / "shared/cases/cluster/kfp"
recorded = pytest.mark.skipif(not RECORDED.is_dir(), reason=f"no recorded runs in {RECORDED}")
LOOP = "x(0).root(0).exit-handler-1(0).loop(0)"
MUST = "failed quota: team: must specify limits.cpu for: init,wait"


def node(name: str, phase: str, message: str = "", kind: str = "Pod") -> dict[str, Any]:
    return {"id": name, "name": f"{LOOP}.{name}", "type": kind, "phase": phase,
            "message": message, "startedAt": "2026-11-28T14:00:00Z"}  # fmt: skip


def answer(**status: Any) -> dict[str, Any]:
    return {"items": [{"metadata": {"name": "x"}, "status": status}]}


def compressed(nodes: dict[str, Any]) -> str:
    """As Argo writes nodes past one MiB."""
    return base64.b64encode(gzip.compress(json.dumps(nodes).encode())).decode()


@recorded
def test_the_recorded_workflow_says_what_the_api_never_does_packed_or_not() -> None:
    status = json.loads((RECORDED / "workflow-too-large.json").read_text())["status"]
    plain = parse_workflow(answer(**status))
    assert plain is not None
    assert plain.message == "Request entity too large: limit is 3145728"
    assert len(plain.nodes) == 687
    packed = {**status, "nodes": {}, "compressedNodes": compressed(status["nodes"])}
    assert parse_workflow(answer(**packed)) == plain


@recorded
def test_nothing_is_made_up_of_a_run_whose_pods_all_came_to_be() -> None:
    status = json.loads((RECORDED / "workflow-loop-succeeds.json").read_text())["status"]
    workflow = parse_workflow(answer(**status))
    assert workflow is not None
    assert list(absent_pods(workflow, [])) == []


def test_a_pod_that_was_refused_is_told_with_its_stage_and_what_to_do() -> None:
    nodes = [node("train-driver(0)", "Error", MUST), node("judge-2(0).executor(0)", "Pending", "q"),
             node("filter(0).executor(0)", "Error", "pod deleted"),
             node("filter(0).executor", "Succeeded", kind="Retry"),
             node("enough(0).executor(0)", "Running"),
             node("dag", "Error", "m", "DAG")]  # fmt: skip
    workflow = parse_workflow(answer(nodes={each["id"]: each for each in nodes}))
    assert workflow is not None
    there = {"metadata": {"annotations": {"workflows.argoproj.io/node-id": nodes[1]["id"]}}}
    (found,) = absent_pods(workflow, [there])
    assert task_of(found) == "train 1"
    assert is_driver(found)
    assert str(explain(found)) == (
        f"train 1: NotCreated: {MUST}. a quota counts what Kubeflow's own containers do not ask "
        "for: a LimitRange with defaults belongs beside it (k8s/components/quota)"
    )


def test_a_workflow_that_is_gone_is_none_and_what_is_none_is_an_error() -> None:
    assert parse_workflow({"items": []}) is None
    for wrong in ({}, answer(nodes=3), answer(compressedNodes="!"), answer(compressedNodes="AAAA")):
        with pytest.raises(ClusterError, match="not a Workflow of Argo's"):
            parse_workflow(wrong)
