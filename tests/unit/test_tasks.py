"""Stages as tasks: what a task leaves in the ledger, whatever happens in it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from judgeloop.runtime import tasks
from judgeloop.runtime.ledger import Entry, Ledger
from judgeloop.schema.config import Config, load_config
from judgeloop.schema.errors import ConfigError, StarvedError, TrainingError
from judgeloop.schema.records import Manifest, Shard, to_json
from judgeloop.schema.results import Decision, Funnel, Resolved, Supply
from judgeloop.store import FolderStore, MissingObjectError
from judgeloop.tiny.dataset import write_questions
from tests.conftest import REPOSITORY
from tests.unit.test_decide import validation

MICRO = REPOSITORY / "pipelines/configs/micro.yaml"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config(MICRO, [f"store={tmp_path}/store"])


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(FolderStore(tmp_path / "store"), "loop")


def examples(folder: Path, rows: int) -> str:
    """The file of a manifest of so many examples."""
    shard = Shard(key="filter/x/00000.jsonl", sha256="ab" * 32, rows=rows)
    funnel = Funnel(
        pairs=50, one_order=50 - rows, undecided=0, disagreeing=0, kept=rows, kept_judgements=rows,
        kinds={}, first_position=0.5, examples=rows,
    )  # fmt: skip
    path = folder / "examples.json"
    made = Manifest(stage="filter", stage_version=1, key="x", shards=(shard,), result=funnel)
    path.write_bytes(to_json(made))
    return str(path)


@pytest.mark.parametrize(
    ("error", "text", "code"),
    [
        (TrainingError("the card is full.\nLower the batch."), "the card is full.\n", 7),
        (MissingObjectError("no such object"), "no such object", 5),
        (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero", 1),
        (OSError(28, "No space left", "/tmp/x"), "/tmp/x: No space left: the disk is full: ", 5),
        (FileNotFoundError(2, "No such file", "/x"), "FileNotFoundError: [Errno 2] No such", 1),
    ],
)
def test_the_ledger_holds_a_failed_tasks_message_and_exit_code(
    config: Config, ledger: Ledger, error: Exception, text: str, code: int
) -> None:
    def fail() -> Manifest:
        raise error

    with pytest.raises(type(error)):
        tasks.Task.open("train", config.to_json(), "loop", 1).run(fail)
    (entry,) = ledger.failures()
    assert (entry.name, entry.exit_code) == ("001-train", code)
    assert entry.error is not None
    assert entry.error.startswith(text)


def test_the_error_of_a_task_is_not_hidden_by_a_store_that_is_gone(
    config: Config, ledger: Ledger, tmp_path: Path
) -> None:
    ledger.begin(config)
    task = tasks.Task.open("train", config.to_json(), "loop", 1)

    def fail() -> Manifest:
        (tmp_path / "store").rename(tmp_path / "moved")
        (tmp_path / "store").write_text("no folder")
        raise TrainingError("the card is full")

    with pytest.raises(TrainingError, match="the card is full"):
        task.run(fail)


def test_a_starved_first_iteration_leaves_an_error_and_the_decision(
    config: Config, ledger: Ledger, tmp_path: Path
) -> None:
    with pytest.raises(StarvedError):
        tasks.enough(config.to_json(), "loop", 1, examples(tmp_path, rows=1))
    (failed,) = ledger.failures()
    assert (failed.name, failed.exit_code) == ("001-enough", StarvedError.exit_code)
    assert "Likely causes" in (failed.error or "")
    assert ledger.manifests("enough")[1][0].expect(Supply).action == "starved"


def test_a_starved_later_iteration_is_no_error(
    config: Config, ledger: Ledger, tmp_path: Path
) -> None:
    given = examples(tmp_path, rows=1)
    assert tasks.enough(config.to_json(), "loop", 2, given) == "starved"
    assert ledger.failures() == []
    given = examples(tmp_path, rows=config.filtering.min_examples)
    assert tasks.enough(config.to_json(), "loop", 2, given) == "train"


def test_a_loop_whose_start_model_has_changed_is_refused_and_keeps_what_it_has(
    config: Config, ledger: Ledger, tmp_path: Path
) -> None:
    out = str(tmp_path / "out.json")
    tasks.resolve(config.to_json(), "loop", out, out)
    tasks.resolve(config.to_json(), "loop", out, out)  # unchanged: it goes on
    (mine,) = ledger.manifests("resolve")[0]
    other = Manifest(stage="resolve", stage_version=1, key="of another base", result=Resolved())
    with pytest.raises(ConfigError, match="another loop id"):
        tasks.Task.open("resolve", config.to_json(), "loop", 0).run(lambda: other)
    assert ledger.manifests("resolve") == {0: [mine]}
    assert [entry.exit_code for entry in ledger.failures()] == [ConfigError.exit_code]


def test_a_loop_whose_questions_have_grown_is_refused_under_its_id(
    ledger: Ledger, tmp_path: Path
) -> None:
    path = write_questions(tmp_path / "data", 40, 0)
    rows, out = path.read_text(), str(tmp_path / "out.json")
    path.write_text("".join(rows.splitlines(keepends=True)[:30]))
    settings = [f"data.questions={path}", "data.count=null", f"store={tmp_path}/store"]
    config = load_config(MICRO, settings).to_json()
    tasks.run("ingest", config, "loop", out)
    tasks.run("ingest", config, "loop", out)
    path.write_text(rows)
    with pytest.raises(ConfigError, match=r"30.*40.*another loop id"):
        tasks.run("ingest", config, "loop", out)
    assert ledger.manifests("ingest")[0][0].counts["inputs"] == 30
    tasks.run("ingest", config, "another", out)


@pytest.mark.parametrize(
    ("begun_with", "words"),
    [(None, "never started"), ("loop.iterations=7", "another configuration")],
)
def test_no_report_is_made_of_no_loop_or_of_another_one(
    config: Config, ledger: Ledger, tmp_path: Path, begun_with: str | None, words: str
) -> None:
    if begun_with:
        ledger.begin(load_config(MICRO, [begun_with]))
    page = tmp_path / "page.html"
    tasks.report(config.to_json(), "loop", str(page))
    assert words in page.read_text()
    assert not ledger.entries()
    assert not (tmp_path / "store/loops/loop/report").exists()


def test_a_decision_counts_the_scores_up_to_its_iteration_and_none_after_it(
    config: Config, ledger: Ledger, tmp_path: Path
) -> None:
    scores = [0.1, 0.5, 0.9]  # of an earlier run, which got further
    made = [validation(at, score) for at, score in enumerate(scores)]
    for at, manifest in enumerate(made):
        ledger.record(Entry(stage="validate", iteration=at, manifest=manifest))
    path = tmp_path / "validation.json"
    path.write_bytes(to_json(made[1]))
    settings = load_config(MICRO, [f"store={tmp_path}/store", "loop.iterations=3"])
    assert tasks.decide(settings.to_json(), "loop", 1, str(path)) == "continue"
    (decision,) = ledger.manifests("decide")[1]
    result = decision.expect(Decision)
    assert (result.score, result.best_before) == (0.5, 0.1)
    assert decision.inputs == ("0", "1")


@pytest.mark.parametrize("given", ["debug", "Debug", "DEBUG"])
def test_the_log_level_may_be_written_in_any_case(
    config: Config, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("JUDGELOOP_LOG", given)
    root = logging.getLogger()
    before, handlers = root.level, root.handlers[:]
    try:
        tasks.Task.open("judge", config.to_json(), "loop", 1)
        assert root.level == logging.DEBUG
        monkeypatch.setenv("JUDGELOOP_LOG", "loud")
        with pytest.raises(ConfigError, match="JUDGELOOP_LOG=LOUD"):
            tasks.Task.open("judge", config.to_json(), "loop", 1)
    finally:
        root.setLevel(before)
        root.handlers[:] = handlers
