"""How a submitted loop's tasks are shown: what they found out, and how far those at work are."""

from pathlib import Path

import msgspec
import pytest

from judgeloop.runtime import progress as module
from judgeloop.runtime.lease import FOLDER, this_process
from judgeloop.runtime.ledger import Entry, Ledger
from judgeloop.runtime.progress import Progress, ProgressSnapshot, Step, latest_progress
from judgeloop.schema.config import load_config
from judgeloop.schema.records import Manifest, to_json
from judgeloop.schema.results import Decision, Funnel, Result, Supply
from judgeloop.store import FolderStore
from pipelines.cluster.progress import LoopOfRun, at_work, line_of
from tests.conftest import REPOSITORY

FUNNEL = Funnel(pairs=40, undecided=3, disagreeing=5, one_order=2, kept=30, kept_judgements=60,
                kinds={}, first_position=None)  # fmt: skip


@pytest.mark.parametrize(
    ("stage", "result", "said"),
    [
        ("filter", FUNNEL, "30 of 40 pairs kept"),
        ("enough", Supply(action="train", reason="30 >= 8"), "train: 30 >= 8"),
        ("decide", Decision(action="stop", reason="no rise", score=0.5, best_before=0.6),
         "stop: no rise"),
        ("train", None, "s"),
    ],
)  # fmt: skip
def test_a_line_tells_pairs_kept_and_decisions(
    stage: str, result: Result | None, said: str
) -> None:
    manifest = Manifest(stage=stage, stage_version=1, key="k", result=result)
    line = line_of(Entry(stage=stage, iteration=2, manifest=manifest, seconds=1.5))
    assert line.startswith(f"002-{stage}")
    assert line.endswith(said)


def test_a_failure_is_told_in_its_first_line() -> None:
    entry = Entry(stage="judge", iteration=1, partition=0, error="no model\nmore", exit_code=6)
    assert line_of(entry).split(maxsplit=2) == ["001-judge-p000", "FAILED", "no model"]


def test_a_task_at_work_tells_rows_rate_and_time_left(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    config = load_config(REPOSITORY / "pipelines/configs/micro.yaml", [f"store={tmp_path}"])
    ledger = Ledger(store, "one")
    ledger.claim(config)
    for number, task in enumerate(("000/hold_out", "009/judge/p000", "")):
        step = Step(task=task, done=120, total=400, unit="pairs")
        given = ProgressSnapshot(step=step, rate=2.0) if task else None
        holder = msgspec.structs.replace(this_process(), progress=given)
        store.write(f"{FOLDER}/work-{number}/00001.json", to_json(holder))
    loop = LoopOfRun("one", ledger, 1)
    status = msgspec.structs.replace(loop.status(), missing=("000-hold_out", "000-validate"))
    (line,) = at_work(loop, status)  # another loop's is not shown
    assert line.split(maxsplit=3) == [
        "000-hold_out", "at", "work", "120 of 400 pairs, 2.0/s, 2 min left",
    ]  # fmt: skip


def test_a_fine_tuning_tells_its_steps_the_loss_and_the_time_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 100_000, 30))
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.delenv(module.FILE_VARIABLE, raising=False)
    monkeypatch.setattr(module._Latest, "step", None)  # of another training, an hour ago
    relay = module.Relay(tmp_path / "progress.jsonl")
    relay()
    for done in range(118, 121):
        step = Step(task="001/train", done=done, total=400, unit="steps", note="loss 0.53")
        with (tmp_path / "progress.jsonl").open("ab") as file:
            file.write(msgspec.json.encode(step) + b"\n")
        relay()
    assert str(latest_progress()) == "120 of 400 steps, loss 0.53, 30 s each, 140 min left"


def test_the_rate_is_that_of_the_newest_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(clock)))
    progress = Progress("000/judge/p000", 1000, "pairs")
    progress.advance(500)  # found done
    for _ in range(module.RATE_STEPS):
        progress.advance(4)
    found = latest_progress()
    assert found is not None
    assert (found.step.done, found.step.task) == (700, "000/judge/p000")
    assert 0 < found.rate <= 4
