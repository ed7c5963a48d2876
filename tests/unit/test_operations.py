"""The messages and figures of docs/operations.md are what the program says."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest
from botocore.config import Config

from judgeloop.cli.main import main
from judgeloop.cli.status import show_loops
from judgeloop.method.filtering.funnel import explain_starvation
from judgeloop.ops.plan.overhead import BOUND
from judgeloop.ops.pods.waiting import findings
from judgeloop.ops.target import open_target
from judgeloop.registry.client import connect
from judgeloop.runtime.ledger import Ledger
from judgeloop.schema.config import load_config
from judgeloop.schema.errors import RegistryError, StarvedError, StoreError
from judgeloop.schema.results import Funnel
from judgeloop.store import FolderStore
from judgeloop.store.s3 import S3Store
from pipelines.cluster.run_pods import look_at
from tests.conftest import REPOSITORY
from tests.kubernetes_api import KubernetesApi
from tests.unit.test_queue import GATED, NODE, workload

PAGE = (REPOSITORY / "docs/operations.md").read_text()
MICRO = REPOSITORY / "pipelines/configs/micro.yaml"
FAILURES = re.findall(r"^\| `(.+?)` \|", PAGE, re.MULTILINE)
SIZES = re.findall(r"^\| ([\d,]+) \| ([\d,]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+)% \|", PAGE, re.M)


def waiting(reason: str, message: str) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"phase": "Pending", "containerStatuses": [{"name": "main", "state": state}]}


def ended(code: int, reason: str) -> dict[str, Any]:
    state = {"terminated": {"exitCode": code, "reason": reason}}
    return {"phase": "Failed", "containerStatuses": [{"name": "main", "state": state}]}


UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                 "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."}  # fmt: skip
PODS: dict[str, dict[str, Any]] = {
    FAILURES[0]: {"phase": "Pending", "conditions": [GATED]},
    FAILURES[1]: {"phase": "Pending", "conditions": [UNSCHEDULABLE]},
    FAILURES[2]: waiting("CreateContainerConfigError", 'secret "judgeloop-store" not found'),
    FAILURES[3]: waiting("ImagePullBackOff", 'Back-off pulling image "registry.example/x"'),
    FAILURES[4]: ended(137, "OOMKilled"),
    FAILURES[5]: {"phase": "Failed", "reason": "Evicted",
                  "message": "The node was low on resource: memory."},
}  # fmt: skip


def test_there_are_ten_failures_and_each_is_produced() -> None:
    assert len(FAILURES) == 10
    assert {*PODS, *PRODUCERS} == set(FAILURES)


@pytest.mark.parametrize("said", PODS)
def test_what_a_pod_tells_is_shown_so(said: str, kubernetes_api: KubernetesApi) -> None:
    pod = {"metadata": {"name": "p", "uid": "uid-p", "creationTimestamp": "2026-01-01T00:00:00Z",
                        "annotations": {"workflows.argoproj.io/node-name": NODE}},
           "status": PODS[said]}  # fmt: skip
    kubernetes_api.pods = [_Shown(pod)]  # type: ignore[list-item]
    path = "/apis/kueue.x-k8s.io/v1beta2/namespaces/team/workloads"
    kubernetes_api.objects[path] = {"items": [workload("uid-p")]}
    (finding,) = findings(look_at("run", "team").found.pods)
    assert said in str(finding)


class _Shown(msgspec.Struct):
    """A pod of the stand-in with a status of its own."""

    document: dict[str, Any]
    run_id: str = "run"
    phase: str = "not what is left out"


def interrupted(folder: Path, _: pytest.MonkeyPatch) -> str:
    store = FolderStore(folder / "store")
    Ledger(store, "one").begin(load_config(MICRO, [f"store={store.uri}"]))
    return show_loops(open_target(str(folder / "store")), "one", as_json=False)


def no_store(_: Path, patch: pytest.MonkeyPatch) -> str:
    patch.setenv("AWS_ACCESS_KEY_ID", "a")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=1)
    client = boto3.session.Session().client(
        "s3", config=config, endpoint_url="http://127.0.0.1:9", region_name="us-east-1"
    )
    with pytest.raises(StoreError) as raised:
        S3Store(client, "bucket").list("loops")
    assert raised.value.exit_code == 5
    return str(raised.value)


def no_registry(_: Path, patch: pytest.MonkeyPatch) -> str:
    patch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(RegistryError) as raised:
        connect()
    assert raised.value.exit_code == 8
    return str(raised.value)


def starved(_: Path, patch: pytest.MonkeyPatch) -> str:
    config = load_config(MICRO)
    funnel = Funnel(pairs=4, undecided=1, disagreeing=1, one_order=1, kept=1, kept_judgements=2,
                    kinds={}, first_position=0.5, examples=1)  # fmt: skip
    assert StarvedError.exit_code == 4
    return explain_starvation(funnel, config.filtering)


PRODUCERS: dict[str, Callable[[Path, pytest.MonkeyPatch], str]] = {
    FAILURES[6]: interrupted,
    FAILURES[7]: no_store,
    FAILURES[8]: no_registry,
    FAILURES[9]: starved,
}


@pytest.mark.parametrize("said", PRODUCERS)
def test_what_a_command_tells_is_shown_so(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = PRODUCERS[said](tmp_path, monkeypatch)
    shown = capsys.readouterr()
    assert said in told + shown.out + shown.err


def test_the_sizes_are_those_that_plan_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert [size[0] for size in SIZES] == ["1,000", "10,000", "20,000", "100,000"]
    for count, pairs, hours, disk, waiting in SIZES:
        plan = planned("qwen2.5-vl-7b", count, capsys)
        assert f"{plan['pairs']:,.0f}" == pairs
        assert (f"{plan['gpu_hours']['total']:,.2f}", f"{plan['disk_gib']:,.1f}") == (hours, disk)
        assert f"{waits(plan):.1%}" == f"{waiting}%"
    (parts, share) = re.findall(r"`loop.partitions: (\d+)` waiting is ([\d.]+%)", PAGE)[0]
    wide = planned("qwen2.5-vl-7b", SIZES[-1][0], capsys, f"loop.partitions={parts}")
    assert f"{waits(wide):.1%}" == share


def planned(
    preset: str, count: str | None, capsys: pytest.CaptureFixture[str], *more: str
) -> dict[str, Any]:
    """What `judgeloop plan` says of a preset, with as many questions or its own."""
    given = (
        ["data.questions=/nowhere/q.jsonl", f"data.count={count.replace(',', '')}"] if count else []
    )
    changes = [each for one in [*given, *more] for each in ("--set", one)]
    assert main(["plan", preset, "--json", *changes]) == 0
    plan: dict[str, Any] = msgspec.json.decode(capsys.readouterr().out)
    return plan


def waits(plan: dict[str, Any]) -> float:
    """The share of a loop on Kubeflow that is waiting."""
    found = plan["overhead"]
    return float(found["waiting_s"] / (found["waiting_s"] + found["work_s"]))


def test_presets_for_gpus_wait_less_than_two_percent_at_the_size_that_they_state(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stated = {}
    for preset in sorted((REPOSITORY / "pipelines/configs").glob("*.yaml")):
        if found := re.search(r"below 2 % of the loop from ([\d,]+) questions", preset.read_text()):
            stated[preset.stem] = found[1]
    assert set(stated) == {"paper", "qwen2.5-vl-7b", "qwen3-vl-8b"}
    for preset, count in stated.items():
        own = load_config(REPOSITORY / f"pipelines/configs/{preset}.yaml").data.count
        for size in {count, f"{own or count}"}:
            assert waits(planned(preset, size, capsys)) < BOUND
    others = re.findall(r"`([\w-]+)` (?:waits )?([\d.]+)%", PAGE)
    assert dict(others).keys() == {"tiny", "micro-tiny"}
    for preset, share in others:
        assert f"{waits(planned(preset, None, capsys)):.1%}" == f"{share}%"
