"""A failure that the ledger cannot take is told all the same, with its own message and code."""

import errno
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from rich.console import Console

from judgeloop.runtime import tasks
from judgeloop.runtime.ledger import Entry, Ledger
from judgeloop.runtime.lost_failures import read_lost
from judgeloop.schema.config import load_config
from judgeloop.schema.errors import StoreError
from judgeloop.schema.records import Manifest, to_json
from judgeloop.schema.results import Verdicts
from judgeloop.store import FolderStore
from pipelines import run as run_module
from pipelines.failure import find_failure
from pipelines.run import run_loop
from tests.conftest import REPOSITORY

MICRO = REPOSITORY / "pipelines/configs/micro.yaml"
FULL = "cannot write s3://b/k: the store is full (507).\nMake room, then run again."


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store that takes nothing any more: its ledger's folder is a file."""
    folder = tmp_path / "store"
    (folder / "loops" / "loop").mkdir(parents=True)
    (folder / "loops" / "loop" / "failures").write_text("")
    return folder


@pytest.fixture
def log(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The log of two tasks that failed, the second task twice."""
    config = load_config(MICRO, [f"store={store}"]).to_json()

    def fail() -> Manifest:
        raise StoreError(FULL)

    def differ() -> Manifest:
        raise ZeroDivisionError("never mind")

    for stage, work in (("judge", fail), ("evaluate", differ), ("judge", differ)):
        with pytest.raises((StoreError, ZeroDivisionError)):
            tasks.Task.open(stage, config, "loop", 1).run(work)
    path = tmp_path / "run.log"
    path.write_text(
        "\x1b[91mJob started\x1b[0m\n" + capsys.readouterr().err + "Inner task failed\n"
    )
    return path


def test_the_log_has_each_failure_that_the_ledger_has_not(log: Path) -> None:
    lost = read_lost(log.read_text().splitlines())
    assert [(entry.name, entry.exit_code) for entry in lost] == [
        ("001-evaluate", 1),
        ("001-judge", 5),
    ]
    assert lost[1].error == FULL


def test_the_run_ends_with_the_failure_s_own_message_and_code(log: Path, store: Path) -> None:
    (store / "loops" / "loop" / "failures").unlink()
    ledger = Ledger(FolderStore(store), "loop")
    lost = [line for line in log.read_text().splitlines() if "evaluate" not in line]
    log.write_text("\n".join(lost))
    found = find_failure(ledger, log)
    assert (found.task, found.error, found.exit_code) == ("001-judge", FULL, StoreError.exit_code)
    ledger.record(Entry(stage="ingest", iteration=0, error="bad rows", exit_code=3))
    assert find_failure(ledger, log).error == "bad rows"


def test_a_ledger_that_cannot_be_read_hides_no_failure_of_the_log(log: Path, store: Path) -> None:
    shutil.rmtree(store)
    store.write_text("no folder")
    found = find_failure(Ledger(FolderStore(store), "loop"), log)
    assert (found.task, found.exit_code) == ("001-evaluate", 1)


def test_a_line_that_was_cut_off_is_passed_over() -> None:
    entry = to_json(Entry(stage="judge", iteration=1, error="x")).decode()
    line = f"failure not in the ledger: {entry}"
    assert [entry.name for entry in read_lost([line + " tail", line[:60], "", "failure"])] == [
        "001-judge"
    ]


def test_a_failure_before_the_loop_is_claimed_is_in_the_log_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "store").write_text("")
    config = load_config(MICRO, [f"store={tmp_path}/store"])
    with pytest.raises(StoreError):
        tasks.resolve(config.to_json(), "loop", str(tmp_path / "out"), str(tmp_path / "judge"))
    (entry,) = read_lost(capsys.readouterr().err.splitlines())
    assert (entry.name, entry.exit_code) == ("000-resolve", StoreError.exit_code)


def test_a_task_whose_output_cannot_be_written_says_so(tmp_path: Path) -> None:
    config = load_config(MICRO, [f"store={tmp_path}/store"]).to_json()
    said = Verdicts(a=0, b=0, undecided={}, agreeing=0)
    made = Manifest(stage="judge", stage_version=1, key="k", result=said)
    out = tmp_path / "none" / "out"
    with pytest.raises(StoreError, match=f"output {out} cannot be written .*make room"):
        tasks.Task.open("judge", config, "loop", 1).run(lambda: made, str(out))
    (entry,) = Ledger(FolderStore(tmp_path / "store"), "loop").failures()
    assert entry.exit_code == StoreError.exit_code


def test_a_full_disk_is_named_where_the_log_has_no_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "run.log"
    log.write_text("Traceback (most rec")
    ledger = Ledger(FolderStore(tmp_path / "store"), "loop")
    assert "no task left an error" in find_failure(ledger, log).error
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1, 1, 0))
    found = find_failure(ledger, log)
    assert (found.error, found.exit_code) == (f"the disk of {tmp_path} is full: make room there", 5)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_run_s_folder_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(number, "no room")

    monkeypatch.setattr(run_module, "compile_pipeline", full)
    config = load_config(MICRO, [f"store={tmp_path}/store"])
    with pytest.raises(
        StoreError, match=f"--out {tmp_path}/out: cannot be written .no room.: make"
    ):
        run_loop(config, "loop", tmp_path / "out", Console())
