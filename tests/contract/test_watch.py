"""The task that watches the others of its run, from a pod, over the APIs as they were recorded."""

import json
from pathlib import Path
from typing import Any

import pytest

from judgeloop.cluster.own_pod import OwnCluster
from judgeloop.ops.pods.late import reason_of
from judgeloop.ops.pods.waiting import Pod as Document
from judgeloop.ops.pods.watch import QUIET_S, SILENT_S, Watch
from judgeloop.runtime import tasks
from judgeloop.runtime.ending import read_ending
from judgeloop.runtime.ledger import Ledger
from judgeloop.store import FolderStore
from tests.contract.test_kubeflow_waiting import submitted
from tests.kfp_process import KfpServer, connect
from tests.kubernetes_api import Pod
from tests.pod import Pod as Surroundings

PATH = "judge-loop-x(0).root(0).exit-handler-1(0)"
OLD = "2026-01-01T00:00:00Z"
NO_NODE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
           "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."}  # fmt: skip
NEVER = 1e12
"""Seconds: no pod of these tests is so old."""


def task(stage: str, phase: str, *conditions: dict[str, str], run: str = "run") -> Pod:
    return Pod(stage, run, phase, OLD, None, f"{PATH}.{stage}(0).executor(0)", list(conditions))


class Time:
    """A clock that only pauses move; each pause may change what the cluster tells."""

    def __init__(self, *changes: Any) -> None:
        self.now, self._changes = 0.0, list(changes)

    def pause(self, seconds: float) -> None:
        self.now += seconds
        if self._changes:
            self._changes.pop(0)()

    def watch(self, within_s: float, end: Any = None) -> str:
        def refuse(pod: Document, reason: str) -> None:
            raise AssertionError(reason)

        looks = Watch(OwnCluster(), "run", within_s, self.pause, lambda: self.now)
        return looks.watch(end or refuse)


def test_a_run_whose_task_never_starts_is_ended_by_the_run_itself_with_the_reason(
    pod: Surroundings, kfp_server: KfpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    run_id = submitted(kfp_server, tmp_path)
    server = connect(kfp_server.url)
    given = server.run(run_id).parameters
    pod.api.pods = [task("watch", "Running", run=run_id),
                    task("resolve", "Pending", NO_NODE, run=run_id)]  # fmt: skip
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", kfp_server.url)
    tasks.watch(given["config"], given["loop_id"], run_id, 60)
    ending = read_ending(Ledger(FolderStore(tmp_path / "store"), "one"))
    assert ending.state == "failed"  # so the exit handler starts no further run
    said = "not started within 60 s (start_within_s of the profile): Unschedulable: 0/3 nodes"
    assert ending.reason.startswith(f"000-resolve failed: {said}")
    assert server.run(run_id).state == "FAILED"


def test_the_watcher_ends_with_the_last_task_of_the_run(pod: Surroundings) -> None:
    pod.api.pods = [task("watch", "Running"), task("judge-2", "Running")]

    def go_on() -> None:
        pod.api.pods[1:] = [task("judge-2", "Succeeded"), task("promote", "Running")]

    def end() -> None:
        pod.api.pods[1:] = [task("judge-2", "Succeeded"), task("promote", "Succeeded")]

    clock = Time(go_on, end)
    assert clock.watch(NEVER) == "the run's work is done"
    assert clock.now == 30


def test_a_run_that_failed_is_held_up_for_two_minutes_at_most(pod: Surroundings) -> None:
    pod.api.pods = [task("watch", "Running"), task("judge", "Failed")]
    clock = Time()
    assert "no pod of the run has worked for 120 s" in clock.watch(NEVER)
    assert QUIET_S < clock.now <= QUIET_S + 15


def test_a_wait_for_room_that_the_run_itself_takes_is_no_silence(pod: Surroundings) -> None:
    waiting = task("judge", "Pending", NO_NODE)
    pod.api.pods = [task("watch", "Running"), task("synthesize", "Running"), waiting]
    ended: list[str] = []

    def last() -> None:
        pod.api.pods = [task("promote", "Succeeded")]

    assert Time(*[lambda: None] * 9, last).watch(60, ended.append) == "the run's work is done"
    claim = {**NO_NODE, "message": 'persistentvolumeclaim "models" not found'}
    pod.api.pods = [task("synthesize", "Running"), task("judge", "Pending", claim)]
    assert Time().watch(60, lambda pod, reason: ended.append(reason)).startswith("judge was not")
    assert 'persistentvolumeclaim "models" not found' in ended[0]


def test_a_pod_that_was_refused_is_seen_in_the_workflow(pod: Surroundings) -> None:
    """The message of a node whose pod a quota refuses; no recorded run has such a node."""
    said = 'pods "x" is forbidden: exceeded quota: team, requested: nvidia.com/gpu=1'
    node = {"id": "x-1", "name": f"{PATH}.loop(0).train(0).executor(0)", "type": "Pod",
            "phase": "Pending", "message": said, "startedAt": OLD, "templateName": "t"}  # fmt: skip
    pod.api.objects["/apis/argoproj.io/v1alpha1/namespaces/team/workflows"] = {
        "items": [{"status": {"phase": "Running", "nodes": {"x-1": node}}}]
    }
    pod.api.pods = [task("watch", "Running")]
    ended: list[str] = []
    assert Time().watch(60, lambda pod, reason: ended.append(reason)).startswith("train 1 was not")
    assert f"NotCreated: {said}. the namespace's quota is used up" in ended[0]


def test_without_the_right_it_says_so_and_fails_nothing(
    pod: Surroundings, capsys: pytest.CaptureFixture[str]
) -> None:
    (pod.account / "namespace").write_text("closed")
    tasks.watch("judgeloop:nonsense", "one", "run", 60)
    said = capsys.readouterr().err
    assert "this account may not list the pods of a run (403: pods is forbidden" in said
    assert "only FOLLOW=1 (make submit, make status) ends a run" in said


def test_a_silent_kubernetes_is_asked_for_ten_minutes(
    pod: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "9")
    clock = Time()
    assert clock.watch(60).startswith("Kubernetes does not answer")
    assert SILENT_S < clock.now <= SILENT_S + 15


def test_a_run_that_cannot_be_ended_from_here_is_left_to_who_follows_it(
    pod: Surroundings, kfp_server: KfpServer, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    pod.api.pods = [task("resolve", "Pending", NO_NODE)]
    kfp_server.control(execute=False, token="another")
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", kfp_server.url)
    tasks.watch("judgeloop:nonsense", "one", "run", 60)
    said = capsys.readouterr().err
    assert "cannot write the reason to the ledger" in said
    assert "the run cannot be ended from here (401" in said


def test_what_is_no_list_of_pods_is_silence(pod: Surroundings) -> None:
    pod.api.objects["/api/v1/namespaces/odd/pods"] = {"items": 3}
    (pod.account / "namespace").write_text("odd")
    assert "what answers is not Kubernetes' API" in Time().watch(60)


def test_a_reason_is_that_of_the_recorded_pod(recorded_pods: Path) -> None:
    found = json.loads((recorded_pods / "waiting-secret-missing.json").read_text())
    assert 'secret "exp-no-such-secret" not found' in reason_of(found, 1800)


@pytest.fixture
def recorded_pods() -> Path:
    folder = Path(__file__).resolve().parents[3] / "shared/cases/cluster/kfp/pods"
    if not folder.is_dir():
        pytest.skip(f"no recorded pods in {folder}")
    return folder
