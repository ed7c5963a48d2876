"""A task's pod that is taken away is told as lost, as a real cluster was recorded taking pods away.

The recorded pods are of TrainJobs, and one of Kubeflow's: an eviction by a drain, a preemption by
Kueue. A task's pod in their states differs in names and annotations alone.
"""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from judgeloop.cluster.workloads import why_queued
from judgeloop.ops.pods.waiting import LOST, explain, findings
from judgeloop.ops.pods.workflow import absent_pods, parse_workflow
from pipelines.cluster.run_pods import look_at
from tests.conftest import REPOSITORY
from tests.kubernetes_api import KubernetesApi
from tests.unit.test_queue import NODE

RECORDED = REPOSITORY.parent / "shared/cases/cluster"
recorded = pytest.mark.skipif(not RECORDED.is_dir(), reason=f"no recorded answers in {RECORDED}")
AGAIN = "the loop's next run goes on after the last complete shard"
Tree = dict[str, Any]


class Shown(msgspec.Struct):
    """A recorded pod as one of a run."""

    document: Tree
    run_id: str = "run"

    @property
    def phase(self) -> str:
        return str(self.document["status"]["phase"])


def watched(name: str, kind: str) -> Iterator[Tree]:
    """The states of the objects of a kind, in the order in which they were seen."""
    for line in (RECORDED / f"trainjob/{name}.ndjson").read_text().splitlines():
        event = json.loads(line)
        if event["kind"] == kind:
            yield event["object"]


def task_pods(name: str) -> Iterator[Tree]:
    """The recorded states of a pod, as those of the pod of a task."""
    for pod in watched(name, "Pod"):
        pod["metadata"]["annotations"] = {"workflows.argoproj.io/node-name": NODE}
        for container in pod["status"].get("containerStatuses", []):
            container["name"] = "main"
        yield pod


def status_of(api: KubernetesApi, pod: Tree) -> list[str]:
    """What `make status` says of a run with one pod."""
    api.pods = [Shown(pod)]  # type: ignore[list-item]
    return [str(each) for each in findings(look_at("run", "team").found.pods)]


@recorded
def test_an_evicted_pod_is_told_as_lost_from_its_eviction_on(kubernetes_api: KubernetesApi) -> None:
    said = [status_of(kubernetes_api, pod) for pod in task_pods("evicted")]
    assert said[:4] == [[], [], [], []]  # it starts and works
    assert len(said) > 8
    for lines in said[4:]:
        (line,) = lines
        assert line.startswith("train 2: EvictionByEvictionAPI: Eviction API: evicting. its node")
        assert AGAIN in line


@recorded
def test_a_preempted_pod_is_told_as_ending_and_then_as_told_to_end(
    kubernetes_api: KubernetesApi,
) -> None:
    states = [pod for pod in task_pods("preempted") if pod["metadata"].get("deletionTimestamp")]
    running, ended = states[0], states[1]
    assert [each["status"]["phase"] for each in (running, ended)] == ["Running", "Failed"]
    assert status_of(kubernetes_api, running)[0].startswith(
        "train 2: Terminating: it is being deleted. its node or its queue took it away"
    )
    (line,) = status_of(kubernetes_api, ended)
    assert line.startswith("train 2: Error: exit code 143. it was terminated")
    assert AGAIN in line


def test_what_kueue_says_of_a_pod_that_it_takes_away_is_shown() -> None:
    condition = {"type": "TerminationTarget", "status": "True", "reason": "WorkloadEvicted",
                 "message": "Preempted to accommodate a workload"}  # fmt: skip
    pod: Tree = {"metadata": {"name": "p"},
                 "status": {"phase": "Running", "conditions": [condition]}}  # fmt: skip
    assert str(explain(pod)).startswith(
        "p: WorkloadEvicted: Preempted to accommodate a workload. its node or its queue took it"
    )
    condition["status"] = "False"
    assert explain(pod) is None


@recorded
def test_why_a_preempted_one_waits_again_is_told_by_its_workload() -> None:
    said = []
    for workload in watched("preempted", "Workload"):
        found = why_queued([workload], workload["metadata"]["ownerReferences"][0]["uid"])
        if found and str(found) not in said:
            said.append(str(found))
    first, then = said
    assert first.startswith("Pending: Preempted to accommodate a workload")
    assert then == "needs 100m more cpu"


@pytest.mark.parametrize("later", ["Running", "Failed", "Succeeded"])
def test_a_pod_that_is_gone_was_lost_and_not_refused(later: str) -> None:
    """Argo says so of its node, and keeps it beside that of the next attempt."""
    nodes = [
        {"id": "x-1", "name": f"{NODE}", "type": "Pod", "phase": "Error", "message": "pod deleted"},
        {"id": "x-2", "name": f"{NODE.removesuffix('(0)')}(1)", "type": "Pod", "phase": later},
        {"id": "x-0", "name": NODE.removesuffix("(0)"), "type": "Retry", "phase": later},
    ]
    status = {"nodes": {each["id"]: each for each in nodes}}
    workflow = parse_workflow({"items": [{"status": status}]})
    assert workflow is not None
    found = [explain(pod) for pod in absent_pods(workflow, [])]
    if later == "Succeeded":
        assert found == []
        return
    (lost,) = found
    assert lost is not None
    assert (lost.task, lost.reason) == ("train 2", LOST)
    assert lost.message.startswith("pod deleted. its node or its queue took it away")
