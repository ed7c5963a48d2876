"""Nothing waits in silence: a run whose pod is never started is ended, with the reason."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from judgeloop.runtime.ending import read_ending
from judgeloop.runtime.ledger import Ledger
from judgeloop.store import FolderStore
from pipelines.cluster.follow import follow
from pipelines.cluster.server import is_active
from tests.kfp_process import REPOSITORY, KfpServer, connect
from tests.kubernetes_api import KubernetesApi, Pod, refusal

MICRO = str(REPOSITORY / "pipelines/configs/micro.yaml")
NODE = "judge-loop-x(0).root(0).exit-handler-1(0).resolve(0).executor(0)"


def submitted(server: KfpServer, out: Path, *options: str) -> str:
    done = server.call(
        "submit", "--config", MICRO, "--set", f"store={out}/store", "--out", str(out / "p.yaml"),
        "--loop-id", "one", *options, KF_PIPELINES_NAMESPACE="team",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = filter(is_active, connect(server.url).runs("one"))
    return run.run_id


def test_a_run_whose_pod_is_not_started_in_time_is_ended_with_the_reason(
    kfp_server: KfpServer, kubernetes_api: KubernetesApi, tmp_path: Path
) -> None:
    run_id = submitted(kfp_server, tmp_path)
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                 "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."}  # fmt: skip
    kubernetes_api.pods = [
        Pod("p", run_id, "Pending", "2026-01-01T00:00:00Z", None, NODE, [condition])
    ]
    console = Console(file=io.StringIO(), width=500)
    assert follow(connect(kfp_server.url), run_id, console, 0.05, start_within_s=60) == 1
    said = console.file.getvalue()
    reason = "not started within 60 s (start_within_s of the profile): Unschedulable: 0/3 nodes"
    assert f"resolve: {reason}" in said
    assert "the loop is failed" in said
    ledger = Ledger(FolderStore(tmp_path / "store"), "one")
    assert reason in read_ending(ledger).reason
    assert connect(kfp_server.url).run(run_id).state == "FAILED"


def test_a_pod_that_may_still_start_ends_nothing(
    kfp_server: KfpServer, kubernetes_api: KubernetesApi, tmp_path: Path
) -> None:
    run_id = submitted(kfp_server, tmp_path)
    kubernetes_api.pods = [Pod("p", run_id, "Pending", "2026-01-01T00:00:00Z", None, NODE)]
    server = connect(kfp_server.url)
    server.terminate(run_id)
    follow(server, run_id, Console(file=io.StringIO()), 0.05)
    assert not Ledger(FolderStore(tmp_path / "store"), "one").failures()


def test_the_doctor_prints_a_line_a_check_and_submit_refuses_what_would_wait_for_ever(
    kfp_server: KfpServer, kubernetes_api: KubernetesApi, tmp_path: Path
) -> None:
    done = kfp_server.call("doctor", "--profile", "one-gpu", KF_PIPELINES_NAMESPACE="team")
    assert done.returncode == 0, done.stderr
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["server", "ok"], ["version", "ok"], ["quota", "ok"], ["secrets", "ok"],
        ["settings", "ok"], ["defaults", "ok"], ["claim", "ok"], ["nodes", "ok"],
        ["admission", "ok"], ["retries", "unknown"],
    ]  # fmt: skip
    assert len(kubernetes_api.posted) == 3
    del kubernetes_api.objects["/api/v1/namespaces/team/secrets/judgeloop-store"]
    kubernetes_api.admission = refusal(403, "Forbidden", 'violates PodSecurity "restricted"')
    refused = kfp_server.call(
        "submit", "--config", MICRO, "--set", f"store={tmp_path}/store", "--loop-id", "one",
        KF_PIPELINES_NAMESPACE="team",
    )  # fmt: skip
    assert refused.returncode == 10
    assert "secrets: team lacks judgeloop-store" in refused.stderr
    assert "admission: team refuses the pod of `cpu`: violates PodSecurity" in refused.stderr
    assert not [each for each in kfp_server.exchanges() if each["method"] == "POST"]


@pytest.mark.parametrize("namespace", ["closed"])
def test_what_we_may_not_see_is_unknown_and_no_failure(
    namespace: str, kfp_server: KfpServer, kubernetes_api: KubernetesApi
) -> None:
    done = kfp_server.call("doctor", KF_PIPELINES_NAMESPACE=namespace)
    assert done.returncode == 0, done.stderr
    states = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines()}
    unknown = {name for name, state in states.items() if state == "unknown"}
    assert unknown == {"quota", "secrets", "settings", "defaults", "admission", "retries"}
