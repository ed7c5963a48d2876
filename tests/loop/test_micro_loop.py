"""The whole loop through the compiled pipeline and the KFP local runner, on the scripted engine."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from judgeloop.cli.main import main
from judgeloop.runtime.stages.gold import WORLD_SEED
from judgeloop.runtime.stages.ingest import HELD_OUT, split_of
from judgeloop.schema.config import load_config
from judgeloop.schema.records import Example, ItemResult, Pair, Question
from judgeloop.schema.results import Decision, Funnel, Promotion, Scores
from judgeloop.store.images import ImageLibrary
from judgeloop.store.shards import finished, read_records
from judgeloop.tiny.dataset import write_gold
from tests.loop.micro import LOOP_ID, REPOSITORY, Run, run_and_kill, run_micro, without_registry
from tests.make import make
from tests.mlflow_server import use_database
from tests.task_loop import TaskLoop, task_loop

EVERY_TASK = {
    "000-resolve", "000-ingest", "000-hold_out", "000-validate", "000-evaluate",
    *(f"00{i}-{stage}" for i in (1, 2) for stage in (
        "synthesize-p000", "judge-p000", "filter", "enough", "train", "validate", "evaluate",
        "register", "decide",
    )),
    "end-promote",
}  # fmt: skip


@pytest.fixture(scope="module")
def micro(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One unbroken micro loop; tests only look at it."""
    return run_micro(tmp_path_factory.mktemp("micro"))


def test_the_loop_runs_every_stage_and_succeeds(micro: Run) -> None:
    assert micro.exit_code == 0, micro.printed
    assert set(micro.entries) == EVERY_TASK
    assert all(entry.error is None for entry in micro.entries.values())


def test_each_iteration_scores_and_registers_the_judge_that_it_trained(micro: Run) -> None:
    adapters = []
    for iteration in (1, 2):
        trained = micro.manifest(f"00{iteration}-train").model
        assert trained is not None
        adapters.append(trained.adapter_sha256)
        for stage in ("validate", "evaluate", "register"):
            model = micro.manifest(f"00{iteration}-{stage}").model
            assert model is not None
            assert model.adapter_sha256 == trained.adapter_sha256, stage
    assert len(set(adapters)) == 2


def test_the_summary_has_the_promised_figures(micro: Run) -> None:
    summary = micro.summary
    evaluated = load_config(REPOSITORY / "pipelines" / "configs" / "micro.yaml").evaluation.count
    assert [row["iteration"] for row in summary["iterations"]] == [0, 1, 2]
    for row in summary["iterations"]:
        assert {"accuracy", "accuracy_low", "accuracy_high", "both_orders", "first_position",
                "undecided", "kept_share", "n"} <= set(row)  # fmt: skip
        assert 0 <= row["accuracy_low"] <= row["accuracy"] <= row["accuracy_high"] <= 1
        assert row["n"] == evaluated
    assert summary["iterations"][0]["kept_share"] is None
    assert summary["stopped_because"]
    assert "champion_version" in summary


def test_it_ends_by_printing_the_table_and_where_everything_lies(micro: Run) -> None:
    for words in ("both orders", "0 (start)", "report.html", "mlflow.db", "Stopped:"):
        assert words in micro.printed


def test_examples_come_from_kept_judgements_and_no_held_out_image_trains(micro: Run) -> None:
    config = load_config(REPOSITORY / "pipelines" / "configs" / "micro.yaml")
    held_out = {
        image
        for pair in read_records(micro.store, micro.manifest("000-hold_out"), Pair)
        for image in pair.question.images
    }
    trained: set[str] = set()
    for iteration in (1, 2):
        manifest = micro.manifest(f"00{iteration}-filter")
        examples = list(read_records(micro.store, manifest, Example))
        assert examples
        trained |= {image for example in examples for image in example.images}
    assert held_out
    assert not held_out & trained
    for question in read_records(micro.store, micro.manifest("000-ingest"), Question):
        others = trained if split_of(question, config) == HELD_OUT else held_out
        assert not others & set(question.images)


def test_no_gold_scene_is_among_the_questions(micro: Run) -> None:
    evaluated = micro.manifest("000-evaluate")
    gold = finished(micro.store, "gold", evaluated.expect(Scores).pairs)
    assert gold is not None
    gold_images = {i for p in read_records(micro.store, gold, Pair) for i in p.question.images}
    asked = read_records(micro.store, micro.manifest("000-ingest"), Question)
    assert not gold_images & {image for question in asked for image in question.images}


@pytest.mark.slow
def test_make_evaluate_scores_a_version_without_a_loop(micro: Run, tmp_path: Path) -> None:
    shutil.copytree(micro.out / "mlflow", tmp_path / "mlflow")  # the evaluation enters itself
    registry = f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    changes = "model.start=models:/judgeloop-micro/1 loop.partitions=1"
    done = make(
        "evaluate", "CONFIG=micro", f"SET={changes}", f"OUT={tmp_path}/out", folder=REPOSITORY,
        timeout_s=120, MLFLOW_TRACKING_URI=registry, JUDGELOOP=f"{sys.executable} -m judgeloop.cli",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "judgeloop-micro/1" in done.stdout
    assert "both orders" in done.stdout


def test_item_results_are_one_for_each_gold_pair(micro: Run) -> None:
    manifest = micro.manifest("002-evaluate")
    ids = [result.item_id for result in read_records(micro.store, manifest, ItemResult)]
    card = manifest.expect(Scores).card
    assert len(ids) == len(set(ids)) == card.n + card.probes
    pairs = [name for name in ids if not name.endswith("/identical")]
    assert len(pairs) == card.n == 40


@pytest.mark.slow
def test_another_folder_and_a_store_on_s3_get_the_same_bytes_and_figures(
    micro: Run, tmp_path: Path, s3_uri: str
) -> None:
    again = run_micro(tmp_path, store=s3_uri)
    assert again.exit_code == 0, again.printed
    assert not (tmp_path / "store").exists()
    ours, theirs = (
        {k: v for k, v in run.content().items() if not k.startswith("register/")}
        for run in (micro, again)
    )
    assert ours == theirs
    assert again.summary == micro.summary


def test_a_finished_loop_that_is_started_again_says_so_and_changes_nothing(micro: Run) -> None:
    def stamps() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in micro.out.rglob("*") if path.is_file()}

    before = stamps()
    again = run_micro(micro.out)
    assert again.exit_code == 0, again.printed
    assert f"loop {LOOP_ID} is already finished" in again.printed
    assert {path for path, at in stamps().items() if before.get(path) != at} <= {
        micro.out / "try" / name for name in ("1.png", "2.png", "3.png", "pairs.jsonl")
    }


def test_a_run_ends_with_its_decision_and_a_question_that_can_be_pasted(
    micro: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (decided,) = [line for line in micro.printed.splitlines() if line.startswith("Refused: ")]
    assert "was not promoted: " in decided
    _, _, after = micro.printed.partition("Ask it:\n")
    line = after.splitlines()[0].strip()
    plain = without_registry()
    asked = subprocess.run(
        line, shell=True, capture_output=True, text=True, check=True, env=plain, cwd=REPOSITORY
    )
    assert asked.stdout.splitlines()[-1].startswith("verdict: ")
    assert asked.stderr.startswith("loading models:/")
    judge = line.split("--model ")[1].split()[0]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{micro.out}/mlflow/mlflow.db")
    files = [str(micro.out / "try/pairs.jsonl"), "--out", str(tmp_path / "verdicts.jsonl")]
    assert main(["judge", "--judge", judge, *files]) == 0
    assert len((tmp_path / "verdicts.jsonl").read_text().splitlines()) == 3


def test_the_report_is_printed_and_copied_again(
    micro: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(micro.out / "store"), "--out", str(tmp_path)]) == 0
    assert "both orders" in capsys.readouterr().out
    assert (tmp_path / "report.html").read_text() == micro.report


def test_a_judge_is_taken_along_with_its_card_and_answers_from_there(
    micro: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{micro.out}/mlflow/mlflow.db")
    judge = micro.printed.split("--model ")[1].split()[0]
    out = tmp_path / "judge"
    assert main(["export", "--judge", judge, "--out", str(out)]) == 0
    card = (out / "README.md").read_text()
    figures = [each["both_orders"] for each in micro.summary["iterations"][1:]]
    assert any(f"| {figure:.3f} [" in card for figure in figures)
    assert "no label of a person was used" in card
    picture = str(micro.out / "try" / "1.png")
    asked = ["--image", picture, "--question", "caption", "--a", "red", "--b", "blue"]
    assert main(["verdict", "--model", str(out), *asked]) == 0
    assert "verdict: " in capsys.readouterr().out


def test_pairs_and_examples_are_taken_along_in_the_forms_of_trl(
    micro: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for form, fields in (("pairs", {"prompt", "chosen", "rejected"}), ("examples", {"messages"})):
        out = tmp_path / form
        assert main(["export", "--run", str(micro.out), "--as", form, "--out", str(out)]) == 0
        rows = [json.loads(line) for line in (out / "metadata.jsonl").read_text().splitlines()]
        assert rows
        assert {"id", "images", "iteration", *fields} == set(rows[0])
        assert all((out / name).is_file() for row in rows for name in row["images"])
        turns = rows[0]["messages"] if form == "examples" else rows[0]["prompt"]
        images = [part for part in turns[0]["content"] if part["type"] == "image"]
        assert len(images) == len(rows[0]["images"])
    kept = sum(1 for i in (1, 2) for _ in read_records(
        micro.store, micro.manifest(f"{i:03d}-filter"), Example))  # fmt: skip
    assert len(rows) == kept


def test_every_step_of_the_progress_has_its_time(micro: Run) -> None:
    lines = (micro.out / "progress.jsonl").read_text().splitlines()
    times = [json.loads(line)["at"] for line in lines]
    assert 0 < min(times) <= max(times) <= time.time()


@pytest.mark.slow
def test_a_loop_that_is_killed_twice_goes_on_and_ends_like_an_unbroken_one(
    micro: Run, tmp_path: Path
) -> None:
    for after_entries in (3, 9):
        done = run_and_kill(tmp_path, after_entries)
        assert after_entries <= done < len(EVERY_TASK)
    resumed = run_micro(tmp_path)
    assert resumed.exit_code == 0, resumed.printed
    assert resumed.summary == micro.summary
    assert resumed.content() == micro.content()


def test_inverted_gold_answers_change_no_example_and_no_adapter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_gold(tmp_path / "gold", 12, WORLD_SEED)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    inverted = [r | {"chosen": r["rejected"], "rejected": r["chosen"]} for r in rows]
    other = path.with_name("inverted.jsonl")
    other.write_text("".join(json.dumps(row) + "\n" for row in inverted))
    runs: list[TaskLoop] = []
    for name, gold in (("straight", path), ("inverted", other)):
        use_database(tmp_path / name, monkeypatch)
        runs.append(task_loop(tmp_path / name, LOOP_ID, f"evaluation.gold={gold}", iterations=2))
        runs[-1].run()
    ours, theirs = ({e.name: e.manifest for e in run.ledger.entries()} for run in runs)
    for name in ("001-decide", "002-decide"):
        assert ours[name] == theirs[name]
    cards, candidates = [], []
    for found in (ours, theirs):
        evaluated, gate = found["002-evaluate"], found["end-promote"]
        assert evaluated is not None
        assert gate is not None
        cards.append(evaluated.expect(Scores).card)
        candidates.append(gate.expect(Promotion).candidate_version)
    assert cards[0] != cards[1]
    assert candidates[0] == candidates[1]
    untouched = ("ingest/", "hold_out/", "synthesize/", "judge/", "filter/", "train/", "validate/")
    for folder in untouched:
        left, right = ({key: run.store.read(key) for key in run.store.list(folder)} for run in runs)
        assert left
        assert left == right


@pytest.mark.slow
def test_the_loop_stops_early_when_validation_does_not_rise(tmp_path: Path) -> None:
    run = run_micro(tmp_path, "model.base=scripted:gain=0", "loop.iterations=3")
    assert run.exit_code == 0, run.printed
    assert run.manifest("001-decide").expect(Decision).action == "stop"
    assert not [name for name in run.entries if name.startswith(("002", "003"))]
    assert "did not rise" in run.summary["stopped_because"]
    assert "end-promote" in run.entries


def test_a_failing_stage_leaves_a_report_that_names_it(tmp_path: Path) -> None:
    run = run_micro(tmp_path, f"evaluation.gold={tmp_path}/missing.jsonl")
    assert run.exit_code == 3
    assert "missing.jsonl" in run.printed
    assert "Traceback" not in run.printed
    assert run.entries["000-evaluate"].error
    for words in ("evaluate", "missing.jsonl"):
        assert words in run.report


def test_a_starved_first_iteration_ends_with_the_funnel(tmp_path: Path) -> None:
    run = run_micro(tmp_path, "model.base=scripted:skill=0,first_bias=1")
    assert run.exit_code == 4
    for words in ("one_order", "Likely causes", "(3)"):
        assert words in run.printed
        assert words in run.report


@pytest.mark.slow
def test_two_partitions_share_the_questions_and_started_again_they_start_no_engine(
    tmp_path: Path,
) -> None:
    run = run_micro(tmp_path, "loop.partitions=2", "loop.iterations=1")
    assert run.exit_code == 0, run.printed
    assert {"001-judge-p000", "001-judge-p001"} <= set(run.entries)
    merged = run.manifest("001-filter")
    parts = [run.manifest(f"001-synthesize-p00{p}") for p in (0, 1)]
    assert merged.expect(Funnel).pairs == sum(part.rows for part in parts)
    assert "engine started" in (run.out / "run.log").read_text()
    before = run.content()
    (run.out / "arguments.json").unlink()  # so that it is not known to be finished
    again = run_micro(tmp_path, "loop.partitions=2", "loop.iterations=1")
    assert again.exit_code == 0, again.printed
    assert "engine started" not in (again.out / "run.log").read_text()
    assert again.content() == before
    assert again.summary == run.summary


def test_images_come_back_from_the_store_by_hash(micro: Run) -> None:
    question = next(read_records(micro.store, micro.manifest("000-ingest"), Question))
    image = ImageLibrary(micro.store, 10_000).open(question.images[0])
    assert image.size == (48, 48)


def test_the_same_loop_id_with_another_configuration_is_refused(micro: Run) -> None:
    run = run_micro(micro.out, "loop.iterations=1")
    assert run.exit_code == 2
    assert f"loop '{LOOP_ID}'" in run.printed
    assert "another loop id" in run.printed
