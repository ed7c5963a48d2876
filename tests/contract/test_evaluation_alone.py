"""An evaluation outside a loop: any judge, in shares, entered on its version and compared by it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from judgeloop.cli.main import main
from judgeloop.method.prompts import prompt_hash
from judgeloop.prompt_sets import load_prompts
from judgeloop.registry.client import connect
from judgeloop.registry.evaluations import TAG, evaluations_of
from judgeloop.registry.versions import version_tags
from judgeloop.runtime import tasks
from judgeloop.runtime.ending import read_ending
from judgeloop.runtime.ledger import Ledger
from judgeloop.schema.config import Config, load_config
from judgeloop.schema.errors import ConfigError
from judgeloop.schema.records import Manifest
from judgeloop.schema.results import Scores
from judgeloop.store import open_store
from judgeloop.store.shards import finished
from tests.mlflow_server import use_database
from tests.task_loop import MICRO, MODEL_NAME, SMALL, task_loop

# MLflow's SQL tables use a strategy that SQLAlchemy 2.1 wants to drop.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated"),
]
ID = "evaluation-one"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A registry with two versions, of two loops with stores of their own."""
    folder = tmp_path_factory.mktemp("alone")
    with pytest.MonkeyPatch.context() as patch:
        use_database(folder / "mlflow", patch)
        task_loop(folder / "a", "a", "data.shard_size=4").run()
        task_loop(folder / "b", "b", "data.shard_size=4", "loop.seed=1").run()
        yield folder


def evaluated(folder: Path, loop_id: str, *changes: str) -> Manifest:
    """Runs an evaluation's tasks in two shares."""
    settings = [*SMALL, "loop.partitions=2", "data.shard_size=4", "registry.experiment=other",
                f"store={folder / 'store'}", *changes]  # fmt: skip
    config: Config = load_config(MICRO, settings)
    call = {"config": config.to_json(), "loop_id": loop_id}
    folder.mkdir(exist_ok=True)
    resolved, out = str(folder / "resolved"), str(folder / "out")
    tasks.resolve(**call, out=resolved, judge_out=str(folder / "current"))
    for partition in (1, 0):
        tasks.run("judge_sets", **call, out=out, partition=partition, model=resolved)
    made = tasks.run("record", **call, out=out, model=resolved)
    ledger = Ledger(open_store(config.store), loop_id)
    assert read_ending(ledger).state == "finished"
    assert {entry.name for entry in ledger.entries()} == {
        "000-resolve", "000-judge_sets-p000", "000-judge_sets-p001", "000-record",
    }  # fmt: skip
    return made


def test_a_version_gets_its_figures_as_a_tag_and_as_metrics(folder: Path, tmp_path: Path) -> None:
    made = evaluated(tmp_path, ID, f"model.start=models:/{MODEL_NAME}/1")
    scores = made.expect(Scores)
    assert scores.card.n == 12
    (key,) = evaluations_of(MODEL_NAME, "1")
    assert key in made.inputs
    entered = json.loads(version_tags(MODEL_NAME, "1")[TAG + key])
    assert entered["both_orders"] == scores.card.both_orders
    assert entered["id"] == ID
    client = connect()
    model_id = client.get_model_version(MODEL_NAME, "1").source.removeprefix("models:/")
    logged = {(each.key, each.value) for each in client.get_logged_model(model_id).metrics}
    assert ("both_orders", scores.card.both_orders) in logged
    place = open_store(str(tmp_path / "store"))
    table = place.read(f"loops/{ID}/report/table.txt").decode()
    assert f"models:/{MODEL_NAME}/1" in table
    assert "always first" in table
    page = place.read(f"loops/{ID}/report/report.html").decode()
    assert f"<h1>models:/{MODEL_NAME}/1</h1>" in page
    again = evaluated(tmp_path, ID, f"model.start=models:/{MODEL_NAME}/1")
    assert again == made


def test_the_base_under_its_other_prompts_stands_beside_the_version_in_mlflow(
    folder: Path, tmp_path: Path
) -> None:
    start = f"model.start=models:/{MODEL_NAME}/1"
    made = evaluated(tmp_path, "evaluation-base-beside", start,
                     "evaluation.base_prompts=[tiny-choose,default]")  # fmt: skip
    client = connect()
    model_id = client.get_model_version(MODEL_NAME, "1").source.removeprefix("models:/")
    logged = {each.key: each.value for each in client.get_logged_model(model_id).metrics}
    store = open_store(str(tmp_path / "store"))
    summary = json.loads(store.read("loops/evaluation-base-beside/report/summary.json"))
    bases = {row.removeprefix("base, prompts "): found for row, found in summary["bases"].items()}
    assert set(bases) == {"default", "tiny-choose"}
    for prompts, figures in bases.items():
        for name in ("both_orders", "both_orders_low", "accuracy"):
            assert logged[f"base/{prompts}/{name}"] == figures[name]
    best = max(figures["both_orders"] for figures in bases.values())
    gain = made.expect(Scores).card.both_orders - best
    assert logged["both_orders_over_best_base"] == gain
    (entered,) = [json.loads(text) for tag, text in version_tags(MODEL_NAME, "1").items()
                  if tag.startswith(TAG) and "evaluation-base-beside" in text]  # fmt: skip
    assert entered["both_orders_over_best_base"] == gain
    assert bases[entered["best_base_prompts"]]["both_orders"] == best
    (run,) = client.search_runs(
        [client.get_experiment_by_name("other").experiment_id],
        "tags.`judgeloop.loop_id` = 'evaluation-base-beside'",
    )
    assert run.data.tags["judgeloop.best_base_prompts"] == entered["best_base_prompts"]


def test_versions_of_two_loops_are_compared_once_both_were_evaluated_in_one_store(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"models:/{MODEL_NAME}/{version}" for version in (1, 2)]
    arguments = ["compare", *names, "--store", str(tmp_path / "store")]
    evaluated(tmp_path, "evaluation-1", f"model.start={names[0]}")
    assert main(arguments) == 3
    assert "judgeloop evaluate" in capsys.readouterr().err
    evaluated(tmp_path, "evaluation-2", f"model.start={names[1]}")
    assert main(arguments) == 0
    assert "12 items" in capsys.readouterr().out
    assert main(["compare", *names, "--run", str(tmp_path / "store")]) == 0
    assert "12 items" in capsys.readouterr().out


def test_a_base_is_evaluated_without_a_version(folder: Path, tmp_path: Path) -> None:
    made = evaluated(tmp_path, "evaluation-base", "evaluation.base_prompts=[default]")
    assert made.details["judge"] == "scripted:skill=0.6"
    experiment = connect().get_experiment_by_name("other")
    runs = connect().search_runs([experiment.experiment_id], "tags.`judgeloop.iteration` = 'loop'")
    assert any(run.data.metrics.get("both_orders") == made.expect(Scores).card.both_orders
               for run in runs)  # fmt: skip
    store = open_store(str(tmp_path / "store"))
    rows = store.read("loops/evaluation-base/report/table.txt").decode().splitlines()
    assert rows[3].startswith("base, prompts default  12 ")
    again = store.read("loops/evaluation-base/report/summary.json")
    assert json.loads(again)["bases"]["base, prompts default"]["both_orders"] <= 1
    judged = [finished(store, "evaluate", key) for key in made.inputs]
    hashes = {one.details["prompt_hash"] for one in judged if one}
    assert hashes == {prompt_hash(load_prompts(name)) for name in ("tiny", "default")}


def test_a_version_below_the_floors_is_evaluated_though_no_loop_starts_from_it(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = f"model.start=models:/{MODEL_NAME}/1"
    loop = task_loop(tmp_path / "loop", "loop", start)
    with pytest.raises(ConfigError, match="no better on the gold pairs than the blind baselines"):
        loop.run()
    evaluated(tmp_path, ID, start)
    capsys.readouterr()
    assert main(["status", str(tmp_path / "store"), "--loop", ID]) == 0
    assert f"loop {ID}: finished, an evaluation outside a loop" in capsys.readouterr().out
