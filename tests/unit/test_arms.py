"""Loops beside each other: curves and a table, and only where they say something of each other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from judgeloop.cli.main import main
from judgeloop.ops.target import ARGUMENTS
from judgeloop.report.arms import Arm, arms_page, arms_rows
from judgeloop.report.history import LoopHistory, read_history
from judgeloop.runtime.reference import write_config
from judgeloop.schema.errors import DataError
from tests.history_fixture import SampleLoop


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> LoopHistory:
    return read_history(SampleLoop(tmp_path_factory.mktemp("arm")).whole().ledger, "SUCCEEDED")


def test_every_loop_has_a_panel_and_every_iteration_a_row(history: LoopHistory) -> None:
    arms = [Arm(name="agreeing, a", history=history), Arm(name="unfiltered, <b>", history=history)]
    rows = arms_rows(arms)
    assert [row[:3] for row in rows[1:]] == [
        (arm.name, str(number), "60") for arm in arms for number in range(4)
    ]
    assert rows[2][3].count("[") == 1
    page = arms_page(arms)
    assert page.count("<svg") == 1
    assert "unfiltered, &lt;b&gt;" in page
    assert "<b>" not in page
    assert "<script" not in page


def test_loops_of_other_gold_pairs_or_without_figures_are_refused(
    history: LoopHistory, tmp_path: Path
) -> None:
    loop = SampleLoop(tmp_path)
    with pytest.raises(DataError, match="b: no judge was evaluated"):
        arms_page(
            [Arm(name="a", history=history), Arm(name="b", history=read_history(loop.ledger, ""))]
        )
    loop.results("evaluate", 0, loop.pairs("hold_out"))
    other = read_history(loop.ledger, "")
    with pytest.raises(DataError, match="different gold pairs"):
        arms_page([Arm(name="a", history=history), Arm(name="b", history=other)])


def test_the_command_writes_the_page_of_two_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [tmp_path / "method", tmp_path / "unfiltered"]
    for run, change in zip(runs, ("agreeing", "unfiltered"), strict=True):
        loop = SampleLoop(run / "store", f"filtering.keep={change}").whole()
        reference = write_config(loop.store, loop.ledger.loop_id, loop.config)
        arguments = {"config": str(reference), "loop_id": loop.ledger.loop_id}
        (run / ARGUMENTS).write_text(json.dumps(arguments))
    assert main(["arms", *map(str, runs), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert printed.count("agreeing, sample") == printed.count("unfiltered, sample") == 4
    page = (tmp_path / "out" / "arms.html").read_text()
    assert "agreeing, sample" in page
    assert "unfiltered, sample" in page


def test_a_folder_that_is_no_run_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    SampleLoop(tmp_path / "store")
    assert main(["arms", str(tmp_path / "store"), "--out", str(tmp_path / "out")]) != 0
    assert "judgeloop arms:" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
