"""What waits in a queue says what it needs, in `judgeloop status` and in that of a run."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from judgeloop.cli.status import show_loops
from judgeloop.cluster.workloads import Queued, why_queued
from judgeloop.ops.pods.queue import with_reasons
from judgeloop.ops.pods.waiting import findings
from judgeloop.ops.target import open_target
from judgeloop.runtime.lease import FOLDER, this_process
from judgeloop.runtime.ledger import Ledger
from judgeloop.runtime.progress import ProgressSnapshot, Step
from judgeloop.schema.config import load_config
from judgeloop.schema.records import to_json
from judgeloop.store import FolderStore
from pipelines.cluster.run_pods import look_at
from tests.conftest import REPOSITORY
from tests.kubernetes_api import KubernetesApi, Pod

LACKS = (
    "couldn't assign flavors to pod set node: insufficient unused quota for nvidia.com/gpu in "
    "flavor a100, 1 more needed"
)
NODE = "judge-loop-x(0).root(0).exit-handler-1(0).loop(0).train-2(0).executor(0)"
GATED = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
         "message": "Scheduling is blocked due to non-empty scheduling gates"}  # fmt: skip


def workload(uid: str, status: str = "False", message: str = LACKS) -> dict[str, Any]:
    condition = {"type": "QuotaReserved", "status": status, "reason": "Pending",
                 "message": message}  # fmt: skip
    owner = {"apiVersion": "v1", "kind": "Pod", "uid": uid}
    return {"metadata": {"name": f"pod-{uid}", "ownerReferences": [owner]},
            "status": {"conditions": [condition]}}  # fmt: skip


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (LACKS, "needs 1 more nvidia.com/gpu"),
        (f"{LACKS}, insufficient quota for cpu in flavor a100, 100m more needed",
         "needs 1 more nvidia.com/gpu and 100m more cpu"),
        (f"{LACKS}. Pending the preemption of 1 workload(s)",
         "needs 1 more nvidia.com/gpu, once others are preempted"),
        ("LocalQueue gpus doesn't exist", "Pending: LocalQueue gpus doesn't exist"),
    ],
)  # fmt: skip
def test_kueue_s_words_become_what_is_missing(message: str, said: str) -> None:
    assert str(Queued("Pending", message)) == said


def test_the_workload_is_that_of_the_object_and_an_admitted_one_tells_nothing() -> None:
    assert why_queued([workload("other"), workload("mine", "True")], "mine") is None
    assert str(why_queued([workload("mine")], "mine")) == "needs 1 more nvidia.com/gpu"
    assert why_queued([{"metadata": {}, "status": None}], "mine") is None


def test_a_pod_in_a_queue_is_explained_by_its_workload(kubernetes_api: KubernetesApi) -> None:
    kubernetes_api.pods = [Pod("p", "run", "Pending", "2026-01-01T00:00:00Z", None, NODE, [GATED])]
    (unknown,) = findings(look_at("run", "team").found.pods)
    assert "`kubectl describe workloads`" in str(unknown)
    path = "/apis/kueue.x-k8s.io/v1beta2/namespaces/team/workloads"
    kubernetes_api.objects[path] = {"items": [workload("uid-p")]}
    (finding,) = findings(look_at("run", "team").found.pods)
    assert str(finding).startswith(
        "train 2: SchedulingGated: queued: needs 1 more nvidia.com/gpu. its queue has not"
    )


def test_a_pod_without_a_workload_stays_as_it_is() -> None:
    pod = {"metadata": {"name": "p", "uid": "u"},
           "status": {"phase": "Pending", "conditions": [GATED]}}  # fmt: skip
    assert with_reasons([pod], [workload("other")]) == [pod]


def test_status_shows_for_what_a_training_is_queued(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    config = load_config(REPOSITORY / "pipelines/configs/micro.yaml", [f"store={store.uri}"])
    Ledger(store, "one").claim(config)
    step = Step(task="001/train", done=0, total=1, unit="TrainJob",
                note="queued: needs 1 more nvidia.com/gpu")  # fmt: skip
    holder = msgspec.structs.replace(this_process(), progress=ProgressSnapshot(step=step, rate=0.0))
    store.write(f"{FOLDER}/train-{'a' * 24}/00001.json", to_json(holder))
    said = show_loops(open_target(str(tmp_path / "store")), "one", as_json=False)
    assert f"train/{'a' * 24}: 0 of 1 TrainJob, queued: needs 1 more nvidia.com/gpu" in said
