"""GPU time and tokens are counted by stage, in the ledger, the status and the report."""

from pathlib import Path

import pytest

from judgeloop.cli.status import show_loops
from judgeloop.ops.status import read_status
from judgeloop.ops.target import open_target
from judgeloop.report.history import read_history
from judgeloop.runtime import spent
from judgeloop.runtime.ledger import Entry, Ledger
from judgeloop.runtime.pulse import Meter
from judgeloop.runtime.tasks import Task
from judgeloop.schema.config import load_config
from judgeloop.schema.records import Manifest
from judgeloop.schema.requests import Response, Sample
from judgeloop.schema.results import Ingested
from judgeloop.store import FolderStore
from tests.conftest import REPOSITORY


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    store = FolderStore(tmp_path / "store")
    ledger = Ledger(store, "one")
    ledger.claim(load_config(REPOSITORY / "pipelines/configs/micro.yaml", [f"store={store.uri}"]))
    return ledger


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    monkeypatch.setattr(spent, "_DEVICES", tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.parametrize(("named", "count"), [(None, 2), ("1", 1), ("0,1,2", 2), ("", 0)])
def test_the_gpus_of_a_task_are_those_that_it_may_use(
    named: str | None, count: int, two_gpus: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if named is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert spent.gpus_here() == count


def test_a_task_enters_its_gpu_time_and_the_tokens_that_its_engine_wrote(
    ledger: Ledger, two_gpus: None
) -> None:
    config = load_config(REPOSITORY / "pipelines/configs/micro.yaml", [])

    def work() -> Manifest:
        samples = [Sample(text="A", finish_reason="stop", tokens=n) for n in (3, 4)]
        Meter().answered(Response(id="1", samples=samples))
        spent.add(gpu_seconds=60.0)  # as of a TrainJob
        return Manifest(stage="x", stage_version=1, key="k", result=Ingested())

    for stage in ("synthesize", "ingest"):
        Task(config, ledger.store, ledger, stage, 1).run(work)
    synthesize, ingest = sorted(ledger.entries(), key=lambda entry: entry.stage, reverse=True)
    assert (synthesize.generated, ingest.generated) == (7, 7)
    assert ingest.gpu_seconds == 60.0  # its own pod has none
    assert synthesize.gpu_seconds == pytest.approx(60 + 2 * synthesize.seconds, abs=0.01)


def test_status_and_report_show_them_by_stage(ledger: Ledger, tmp_path: Path) -> None:
    made = Manifest(stage="synthesize", stage_version=1, key="k")
    for partition in (0, 1):
        ledger.record(Entry(stage="synthesize", iteration=1, partition=partition, manifest=made,
                            seconds=10.0, gpu_seconds=80.0, generated=1500))  # fmt: skip
    (cost,) = read_status(ledger.store, "one").costs
    assert (cost.tasks, cost.seconds, cost.gpu_seconds, cost.generated) == (2, 20.0, 160.0, 3000)
    said = show_loops(open_target(str(tmp_path / "store")), "one", as_json=False)
    (line,) = [each for each in said.splitlines() if each.startswith("synthesize ")]
    assert line.split() == ["synthesize", "2", "0", "20.0", "160.0", "3,000"]
    assert read_history(ledger, "").spent() == {"synthesize": (20.0, 160.0, 3000)}
