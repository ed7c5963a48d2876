"""A submitted loop, over HTTP, on a server that really runs what it was given."""

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from judgeloop.runtime.ledger import Ledger
from judgeloop.runtime.reference import parse_reference
from judgeloop.store import FolderStore
from judgeloop.tiny.dataset import write_gold
from pipelines.digest import digest
from tests.kfp_process import REPOSITORY, KfpServer, start_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
MICRO = REPOSITORY / "pipelines/configs/micro.yaml"
PATIENT_S = 600


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KfpServer]:
    yield from start_server(tmp_path_factory.mktemp("kfp"))


def arguments(out: Path, loop_id: str, *changes: str) -> list[str]:
    sets = [word for change in changes for word in ("--set", change)]
    return ["submit", "--config", str(MICRO), "--set", f"store={out}/store", *sets,
            "--out", str(out / "p.yaml"), "--profile", str(quick_retry(out)),
            "--loop-id", loop_id, "--follow", "--poll", "0.5"]  # fmt: skip


def quick_retry(out: Path) -> Path:
    """The profile for clusters without GPUs, with a back-off for the impatient."""
    text = (REPOSITORY / "k8s/profiles/cpu.yaml").read_text()
    path = out / "profile.yaml"
    path.write_text(text.replace("count: 2, backoff_s: 60", "count: 1, backoff_s: 5"))
    assert path.read_text() != text
    return path


def ledger(out: Path, loop_id: str) -> Ledger:
    return Ledger(FolderStore(out / "store"), loop_id)


def times(out: Path, loop_id: str) -> dict[str, str]:
    """When the work of each stage was done; a task that found it done does not count."""
    entries = ledger(out, loop_id).entries()
    return {entry.name: entry.started_at for entry in entries if entry.stage != "promote"}


@pytest.fixture(scope="module")
def stopped_early(
    server: KfpServer, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[str], subprocess.CompletedProcess[str]]:
    """A loop of two iterations that no rise is enough for: it stops after one. Submitted twice."""
    out = tmp_path_factory.mktemp("early")
    given = arguments(out, "early", "loop.min_delta=1.0")
    first = server.call(*given)
    before = times(out, "early")
    second = server.call(*given)
    assert times(out, "early") == before
    return out, first, second


def test_a_loop_runs_to_its_early_stop_and_is_shown_stage_by_stage(stopped_early: Any) -> None:
    out, first, _ = stopped_early
    assert first.returncode == 0, first.stdout + first.stderr
    entries = {entry.name for entry in ledger(out, "early").entries()}
    assert {"000-resolve", "001-train", "001-register", "001-decide", "end-promote"} <= entries
    assert not [name for name in entries if name.startswith("002")]
    for stage in ("resolve", "ingest", "judge", "train", "promote"):
        lines = [line.split() for line in first.stdout.splitlines() if f"-{stage}" in line]
        assert lines[-1][1] == "done"
    assert first.stdout.splitlines()[-1].endswith("SUCCEEDED; the loop is finished")


def test_a_finished_loop_submitted_again_starts_no_run(stopped_early: Any) -> None:
    _, _, second = stopped_early
    assert second.returncode == 0, second.stdout + second.stderr
    assert "loop early is finished: there is nothing to do" in second.stdout
    assert not [line for line in second.stdout.splitlines() if line.startswith("run ")]


def test_a_task_is_tried_again_and_a_failing_stage_ends_the_run_with_its_name(
    server: KfpServer, tmp_path: Path
) -> None:
    write_gold(tmp_path / "ready", 20, seed=1)
    command = arguments(tmp_path, "starved", "filtering.min_examples=100000",
                        f"evaluation.gold={tmp_path}/gold/gold.jsonl", "loop.iterations=1",
                        "evaluation.count=null")  # fmt: skip
    child = subprocess.Popen(
        [sys.executable, "-m", "pipelines", *command], cwd=REPOSITORY, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=server.environment(),
    )  # fmt: skip
    wait_for(lambda: "000-evaluate" in {e.name for e in ledger(tmp_path, "starved").failures()})
    (tmp_path / "ready").rename(tmp_path / "gold")  # before the back-off is over
    said, _ = child.communicate(timeout=PATIENT_S)
    assert child.returncode == 1, said
    entries = {entry.name: entry for entry in ledger(tmp_path, "starved").entries()}
    assert entries["000-evaluate"].error is None
    assert entries["001-enough"].exit_code == 4
    assert "enough" in said
    assert "FAILED" in said
    assert "Traceback" not in said


def test_a_cancelled_run_leaves_nothing_working_and_goes_on_when_submitted_again(
    server: KfpServer, tmp_path: Path
) -> None:
    command = arguments(tmp_path, "cancelled", "loop.iterations=1")
    child = subprocess.Popen(
        [sys.executable, "-m", "pipelines", *command], cwd=REPOSITORY, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=server.environment(),
    )  # fmt: skip
    wait_for(lambda: "000-ingest" in times(tmp_path, "cancelled"))
    before = times(tmp_path, "cancelled")
    ended = server.call("cancel", "cancelled")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "FAILED, by your cancel" in ended.stdout
    said, _ = child.communicate(timeout=PATIENT_S)
    assert child.returncode == 1
    assert "the loop is cancelled" in said
    left = times(tmp_path, "cancelled")
    time.sleep(2)
    assert times(tmp_path, "cancelled") == left
    assert "001-decide" not in left
    again = server.call(*command)
    assert again.returncode == 0, again.stdout + again.stderr
    assert times(tmp_path, "cancelled").items() >= before.items()


def wait_for(found: Any) -> None:
    end = time.monotonic() + PATIENT_S
    while not found():
        assert time.monotonic() < end
        time.sleep(0.2)


def test_what_ran_is_what_was_uploaded(stopped_early: Any, server: KfpServer) -> None:
    out, _, _ = stopped_early
    # By digest: the same loop is compiled for each submission, with other names inside each time.
    ran = {digest(path) for path in server.folder.glob("runs/*/package.yaml")}
    assert digest(out / "p.yaml") in ran
    starts = [each for each in server.exchanges()
              if (each["method"], each["path"]) == ("POST", "/apis/v2beta1/runs")]  # fmt: skip
    assert parse_reference(starts[0]["body"]["runtime_config"]["parameters"]["config"]).first == 1


def test_the_exit_handler_takes_less_than_ten_seconds_and_survives_being_cut(
    stopped_early: Any, server: KfpServer
) -> None:
    """After a cancel Kubeflow ends it at its controller's next look, which comes every ten."""
    out, _, _ = stopped_early
    given = next(
        each["body"]["runtime_config"]["parameters"] for each in server.exchanges()
        if (each["method"], each["path"]) == ("POST", "/apis/v2beta1/runs")
        and each["body"]["runtime_config"]["parameters"]["loop_id"] == "early"
    )  # fmt: skip
    code = "import sys; from judgeloop.runtime import tasks; tasks.report(*sys.argv[1:])"
    page = out / "page.html"
    command = [sys.executable, "-c", code, given["config"], "early", str(page)]
    cut = subprocess.Popen(command, cwd=REPOSITORY)
    time.sleep(0.5)
    cut.kill()
    cut.wait()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=REPOSITORY, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 8
    assert page.stat().st_size > 10_000
    assert not ledger(out, "early").failures()
