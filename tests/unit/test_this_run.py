"""What the report says of the run itself, and of the reasons for which rows are left out."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from judgeloop.report import gallery
from judgeloop.report.history import LoopHistory, Task, read_history
from judgeloop.report.page import html_page, markdown_page
from judgeloop.report.this_run import REASONS, this_run
from judgeloop.runtime import machine
from judgeloop.store.shards import read_shards
from tests.conftest import REPOSITORY
from tests.history_fixture import ITEMS, SampleLoop


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> SampleLoop:
    return SampleLoop(tmp_path_factory.mktemp("store")).whole()


def timed(history: LoopHistory) -> LoopHistory:
    tasks = (
        Task(
            name="a",
            stage="ingest",
            iteration=0,
            seconds=30,
            started_at="2026-01-02T10:00:00+00:00",
        ),
        Task(
            name="b", stage="judge", iteration=1, seconds=90, started_at="2026-01-02T11:04:00+00:00"
        ),
        Task(name="c", stage="judge", iteration=1, seconds=60),
    )
    return msgspec.structs.replace(history, tasks=tasks)


def test_times_are_from_the_first_start_to_the_last_end(loop: SampleLoop) -> None:
    rows = dict(this_run(timed(read_history(loop.ledger, "SUCCEEDED")), loop.config))
    assert rows["started"] == "2026-01-02 10:00 UTC"
    assert rows["last task ended"] == "2026-01-02 11:05 UTC"
    assert rows["wall time"] == "1 h 05 min, pauses included"
    assert rows["work"] == "3 min 00 s of tasks, some in parallel"


def test_where_results_are_and_the_next_command_are_on_both_pages(loop: SampleLoop) -> None:
    history = read_history(loop.ledger, "SUCCEEDED")
    for text in (html_page(history, loop.config, [], None), markdown_page(history, loop.config)):
        assert "models:/judgeloop-tiny, versions 1, 2, 3; version 3 is champion" in text
        assert f"judgeloop export --run {loop.config.store} --judge models:/" in text
        assert "loops/sample/loop.json" in text
    failed = read_history(loop.ledger, "FAILED")
    assert dict(this_run(failed, loop.config))["next"] == f"judgeloop status {loop.config.store}"


def test_the_data_are_named_with_their_rows_and_hash(loop: SampleLoop) -> None:
    rows = dict(this_run(read_history(loop.ledger, "SUCCEEDED"), loop.config))
    assert rows["questions"] == ("tiny-world: 4800 of 4803 rows used, content key ingest-0-None")
    assert rows["gold pairs"] == f"tiny-world: {ITEMS} pairs, content key gold-items"


def test_every_machine_that_tasks_ran_on_is_told_with_their_number(loop: SampleLoop) -> None:
    history = timed(read_history(loop.ledger, "SUCCEEDED"))

    def told(*names: str) -> str:
        tasks = tuple(
            msgspec.structs.replace(task, machine=name)
            for task, name in zip(history.tasks, names, strict=True)
        )
        ran = msgspec.structs.replace(history, tasks=tasks)
        return dict(this_run(ran, loop.config))["machine"]

    assert told("2 cores", "2 cores", "2 cores") == "2 cores"
    assert told("2 cores", "1 GPU", "2 cores") == "1 GPU (1 tasks); 2 cores (2 tasks)"
    assert told("", "", "") == "not recorded"


def test_a_task_writes_down_what_it_ran_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert re.fullmatch(r"\d+ cores?, \d+\.\d GiB memory, .*GPU.*", machine.machine_here())
    (tmp_path / "0").mkdir()
    (tmp_path / "0/information").write_text("Model: \t NVIDIA H200\nIRQ: 3\n")
    (tmp_path / "memory.max").write_text(f"{3 * 2**29}\n")
    monkeypatch.setattr(machine, "_GPUS", tmp_path)
    monkeypatch.setattr(machine, "_LIMIT", tmp_path / "memory.max")
    monkeypatch.setattr(machine, "gpus_here", lambda: 1)
    assert machine.machine_here().endswith(", 1.5 GiB memory, 1 x NVIDIA H200")
    monkeypatch.setattr(machine, "gpus_here", lambda: 2)
    assert machine.machine_here().endswith(", 2 GPUs, NVIDIA H200")


def test_the_reasons_of_the_method_and_of_data_are_in_the_glossary() -> None:
    told = set()
    for path in [*(REPOSITORY / "judgeloop/data").glob("*.py"),
                 *(REPOSITORY / "judgeloop/method/synthesis").glob("*.py")]:  # fmt: skip
        told |= set(re.findall(r'Dropped\([^)]*reason="(\w+)"', path.read_text()))
    assert {"bad_image", "answer_empty"} <= told
    assert told - REASONS.keys() - {"text_only"} == set()  # counted by `convert` alone


def test_pairs_of_identical_answers_are_no_mistakes_in_the_gallery(
    loop: SampleLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_a_probe(*arguments: Any) -> Iterator[list[Any]]:
        for number, batch in enumerate(read_shards(*arguments)):
            probes = [msgspec.structs.replace(batch[0], identical=True)] if not number else []
            yield [*probes, *batch[len(probes) :]]

    history = read_history(loop.ledger, "SUCCEEDED")
    monkeypatch.setattr(gallery, "read_shards", with_a_probe)
    drawn = gallery.draw_gallery(history, loop.store, loop.images, loop.config.report, seed=0)
    assert drawn is not None
    assert drawn.rights + drawn.wrongs == ITEMS - 1
