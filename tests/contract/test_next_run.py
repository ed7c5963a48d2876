"""The exit handler starts the loop's next run over Kubeflow's API, once, where one is due."""

import json
import time
from pathlib import Path
from typing import Any

import kfp_server_api as api
import pytest

from judgeloop.ops import next_run
from judgeloop.ops.next_run import run_name, start_next
from judgeloop.runtime.ledger import AFTER_LOOP, Entry, Ledger
from judgeloop.runtime.reference import Reference, parse_reference, write_config
from judgeloop.schema.config import Config, load_config
from judgeloop.schema.records import Manifest
from judgeloop.schema.results import Decision
from judgeloop.store import FolderStore
from tests.conftest import REPOSITORY
from tests.kfp_process import KfpServer, connect

EVICTED = REPOSITORY.parent / "shared/cases/cluster/kfp/runs/tiny-evicted-and-retried.ndjson"


class Loop:
    """A loop that has a run on the server."""

    def __init__(self, server: KfpServer, folder: Path) -> None:
        micro = REPOSITORY / "pipelines/configs/micro.yaml"
        self.config: Config = load_config(micro, [f"store={folder}/store"])
        self.ledger = Ledger(FolderStore(folder / "store"), "one")
        self.given: Reference = write_config(self.ledger.store, "one", self.config)
        self.kubeflow = connect(server.url)
        package = folder / "p.yaml"
        package.write_text("no: pipeline")
        pipeline = self.kubeflow.pipeline("judge-loop")
        version = self.kubeflow.version(pipeline, package, "v")
        self.version = api.V2beta1PipelineVersionReference(
            pipeline_id=pipeline, pipeline_version_id=version
        )
        self.run_id = self.start("one")

    def start(self, name: str) -> str:
        """Starts a run of the loop, as `make submit` does."""
        return self.kubeflow.start(api.V2beta1Run(
            experiment_id=self.kubeflow.experiment("e"), display_name=name,
            service_account="runner",
            pipeline_version_reference=self.version,
            runtime_config=api.V2beta1RuntimeConfig(
                parameters={"config": str(self.given), "loop_id": "one"}, pipeline_root="s3://b/r"
            ),
        ))  # fmt: skip

    def enter(self, stage: str, iteration: int) -> None:
        """Enters a task that is done; of `decide`, that the loop goes on."""
        goes_on = Decision(action="continue", reason="better", score=0.5, best_before=0.4)
        result = goes_on if stage == "decide" else None
        made = Manifest(stage=stage, stage_version=1, key="k", result=result)
        self.ledger.record(Entry(stage=stage, iteration=iteration, manifest=made))

    def go_on(self) -> str | None:
        return start_next(self.given, self.config, self.ledger, self.run_id)

    def run(self, run_id: str) -> Any:
        """The whole answer, of which the commands read a part."""
        return self.kubeflow._runs.run_service_get_run(run_id)


@pytest.fixture
def loop(kfp_server: KfpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loop:
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", kfp_server.url)
    monkeypatch.setattr(next_run, "WAIT_S", 0.0)
    return Loop(kfp_server, tmp_path)


def test_the_next_run_is_like_this_one_but_for_its_first_iteration_and_is_started_once(
    loop: Loop,
) -> None:
    loop.enter("decide", 1)
    loop.enter("decide", 2)
    started = loop.go_on()
    assert started is not None
    assert loop.go_on() == started  # the task was tried again
    before, after = loop.run(loop.run_id), loop.run(started)
    assert after.display_name == "one#3"
    for name in ("experiment_id", "service_account", "pipeline_version_reference"):
        assert getattr(after, name) == getattr(before, name)
    assert after.runtime_config.pipeline_root == "s3://b/r"
    assert parse_reference(after.runtime_config.parameters["config"]) == loop.given._replace(
        first=3
    )
    assert len(loop.kubeflow.runs("one")) == 2


def test_a_run_of_a_forgotten_loop_of_the_same_name_is_not_taken_for_the_next(loop: Loop) -> None:
    old = loop.start("one#3")
    for run_id in (old, loop.run_id):
        loop.kubeflow.terminate(run_id)
    time.sleep(1.1)  # Kubeflow tells seconds
    loop.run_id = loop.start("one")
    loop.enter("decide", 1)
    loop.enter("decide", 2)
    started = loop.go_on()
    assert started not in (None, old)
    assert loop.go_on() == started


def test_an_interrupted_run_is_started_again_a_few_times(loop: Loop) -> None:
    loop.enter("decide", 1)
    loop.enter("synthesize", 2)  # and nothing more: a pod was lost
    names = [loop.run(found).display_name for found in (loop.go_on(), loop.go_on()) if found]
    assert names == ["one#2.1", "one#2.2"]
    assert loop.go_on() is None


@pytest.mark.skipif(not EVICTED.is_file(), reason=f"no recorded run in {EVICTED}")
def test_after_a_pod_that_was_taken_away_as_recorded_the_run_is_submitted_again(loop: Loop) -> None:
    seen = [json.loads(line)["run"] for line in EVICTED.read_text().splitlines()]
    lost = [run for run in seen if "FAILED" in executors(run)]
    assert lost[0]["state"] == "RUNNING"
    assert not any(run.get("error") for run in seen)  # so the API tells nobody that it was lost
    loop.enter("synthesize", 1)  # the killed task left nothing in the ledger
    started = loop.go_on()
    assert started is not None
    assert loop.run(started).display_name == "one#1.1"


def executors(run: Any) -> list[str]:
    """The states of the attempts at the task of a recorded run."""
    tasks = (run.get("run_details") or {}).get("task_details") or []
    return [each.get("state") for each in tasks if str(each.get("display_name")).startswith("exec")]


def test_reruns_wait_thirty_seconds_then_sixty(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(next_run, "WAIT_S", 30.0)
    monkeypatch.setattr(next_run.time, "sleep", waits.append)
    loop.enter("synthesize", 1)
    assert loop.go_on()
    assert loop.go_on()
    assert waits == [30.0, 60.0]


@pytest.mark.parametrize("why", ["finished", "failed", "cancelled"])
def test_nothing_follows_an_end_a_lasting_failure_or_a_cancel(why: str, loop: Loop) -> None:
    loop.enter("decide", 1)
    if why == "finished":
        loop.enter("promote", AFTER_LOOP)
    if why == "failed":
        loop.ledger.record(Entry(stage="judge", iteration=2, error="no rows", exit_code=3))
    if why == "cancelled":
        loop.ledger.cancel()
    assert loop.go_on() is None
    assert len(loop.kubeflow.runs("one")) == 1


def test_runs_of_a_loop_are_named_by_it() -> None:
    assert [run_name("a", 1), run_name("a", 5), run_name("a", 5, 2)] == ["a", "a#5", "a#5.2"]
