"""Why pods wait or failed: each recorded pod of a real cluster is told with its cause."""

import json
from datetime import datetime, timedelta

import pytest

from judgeloop.ops.pods.late import Pods, entry_of, late, reason_of
from judgeloop.ops.pods.waiting import Place, Pod, explain, findings, is_driver, task_of
from judgeloop.runtime.ending import LASTING
from tests.conftest import REPOSITORY

PODS = REPOSITORY.parent / "shared/cases/cluster/kfp/pods"
pytestmark = pytest.mark.skipif(not PODS.is_dir(), reason=f"no recorded pods in {PODS}")


def pod(name: str) -> Pod:
    found: Pod = json.loads((PODS / f"{name}.json").read_text())
    return found


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("waiting-no-node", "didn't match Pod's node affinity/selector"),
        ("waiting-no-node", "node selector and tolerations with the nodes"),
        ("waiting-claim-missing", 'persistentvolumeclaim "exp-no-such-claim" not found'),
        ("waiting-claim-pending", "its claim is not there or not bound"),
        ("waiting-image", "its image cannot be pulled"),
        ("waiting-secret-missing", 'secret "exp-no-such-secret" not found'),
        ("waiting-secret-missing", "a Secret or ConfigMap that the profile names"),
        ("failed-exit-1", "exit code 1"),
        ("failed-out-of-memory", "OOMKilled: exit code 137"),
        ("failed-out-of-memory", "needs more memory"),
        ("failed-timeout", "longer than timeout_s"),
        ("failed-deleted-143", "exit code 143"),
    ],
)
def test_a_pod_that_waits_or_failed_tells_its_cause_and_what_to_do(name: str, said: str) -> None:
    assert said in str(explain(pod(name)))


@pytest.mark.parametrize(
    "name", ["succeeded", "driver", "dag-driver", "judgeloop-cpu-task", "judgeloop-model-task"]
)
def test_a_pod_that_works_or_has_worked_tells_nothing(name: str) -> None:
    assert explain(pod(name)) is None


def test_stage_and_iteration_are_read_from_the_path_of_the_node() -> None:
    assert task_of(pod("judgeloop-cpu-task")) == "enough 2"
    path = ("judge-loop-x(0).root(0).exit-handler-1(0).loop(0).condition-3(0).for-loop-6(0)."
            "iteration-iterations(1:1)(0).iteration-item(0).judge-2(0).executor(0)")  # fmt: skip
    node = {"metadata": {"annotations": {"workflows.argoproj.io/node-name": path}}}
    assert task_of(node) == "judge 2/p1"
    node["metadata"]["annotations"] = {
        "workflows.argoproj.io/node-name": "x(0).root(0).exit-handler-1(0).hold-out(0).executor(0)"
    }
    assert task_of(node) == "hold_out"


def test_a_pod_that_waits_too_long_for_its_start_is_found_by_the_servers_clock() -> None:
    waiting = pod("waiting-no-node")
    created = datetime.fromisoformat(waiting["metadata"]["creationTimestamp"])
    pods = [pod("succeeded"), waiting]
    assert late(Pods(pods, created + timedelta(seconds=1801)), 1800) is waiting
    assert late(Pods(pods, created + timedelta(seconds=1799)), 1800) is None
    assert late(Pods(pods[:1], created + timedelta(days=9)), 1800) is None


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (Place("judge", 2, 1), "006-judge-p001"),
        (Place("train", 1, None), "005-train"),
        (Place("hold_out", None, None), "000-hold_out"),
        (Place("promote", None, None), "end-promote"),
        (Place("loop", None, None), "000-resolve"),
        (None, "000-resolve"),
    ],
)
def test_what_was_not_started_is_entered_as_a_failure_that_no_further_run_mends(
    place: Place | None, name: str
) -> None:
    entry = entry_of(place, 5, reason_of(pod("waiting-no-node"), 1800))
    assert entry.name == name
    assert entry.exit_code in LASTING
    assert (entry.error or "").startswith("not started within 1800 s")
    assert "Unschedulable" in (entry.error or "")


def test_drivers_are_known_and_a_cause_is_told_once() -> None:
    assert is_driver(pod("driver"))
    assert not is_driver(pod("judgeloop-cpu-task"))
    assert len(list(findings([pod("waiting-no-node")] * 3))) == 1
