"""Registration and promotion against real MLflow: a server process, and SQLite without one."""

import os
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import msgspec
import pytest

from judgeloop.config import Config, load_config
from judgeloop.errors import RegistryError
from judgeloop.evaluation.scorecard import scorecard
from judgeloop.keys import content_key
from judgeloop.ledger import Entry, Ledger
from judgeloop.models import fetch_adapter
from judgeloop.records import Choice, Example, ItemResult, Manifest, ModelRef
from judgeloop.registry.client import connect
from judgeloop.registry.tracking import Run, loop_run
from judgeloop.registry.versions import (
    aliases,
    bring_version,
    fetch_version,
    promote,
    replaced_by,
    resolve_model,
)
from judgeloop.shards import Work, finish, write_shards
from judgeloop.stages.promote import promote as promote_stage
from judgeloop.stages.register import register
from judgeloop.store import FolderStore, folder_checksums, upload_folder
from tests.conftest import REPOSITORY

# MLflow's SQL tables use a strategy that SQLAlchemy 2.1 wants to drop.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")

ITEMS = 40


@pytest.fixture(scope="session")
def sqlite_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('registry')}/mlflow.db"


@pytest.fixture(params=["mlflow_server", "sqlite_uri"])
def tracking_uri(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Lead this test to a server or a database."""
    uri: str = request.getfixturevalue(request.param)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return uri


@pytest.fixture
def loop(tracking_uri: str, tmp_path: Path) -> "Loop":
    """A loop with a model name of its own, whose start model is right on 10 of 40 items."""
    loop = Loop(tmp_path / "store", f"judge-{uuid.uuid4().hex[:8]}")
    loop.scores("evaluate", 0, right=10)
    return loop


class Loop:
    """Leaves in a store and a ledger what the stages before `register` leave there."""

    def __init__(self, store: Path, model_name: str, loop_id: str = "loop", **changes: Any) -> None:
        settings = [f"{key}={value}" for key, value in changes.items()]
        settings += [f"registry.model_name={model_name}", f"registry.experiment={model_name}"]
        self.config: Config = load_config(REPOSITORY / "pipelines/configs/micro.yaml", settings)
        self.name = model_name
        self.store = FolderStore(store)
        self.ledger = Ledger(self.store, loop_id)

    def scores(self, stage: str, iteration: int, right: int, items: str = "gold") -> Manifest:
        """Record a judge that is right on the first `right` of the items."""
        results = [
            ItemResult(
                item_id=f"{items}-{number}",
                category="colour",
                chosen_first=Choice.A,
                rejected_first=Choice.B if number < right else Choice.A,
            )
            for number in range(ITEMS)
        ]
        key = content_key(stage, items, right, iteration, self.ledger.loop_id)
        header = Manifest(stage=stage, stage_version=1, key=key, details={"pairs": items})
        card = scorecard(results)
        made = write_shards(self.store, header, [results], lambda batch: Work(batch))
        made = msgspec.structs.replace(made, metrics=card.metrics(), counts=card.counts())
        return self.record(finish(self.store, made), iteration)

    def trained(self, iteration: int, folder: Path) -> Manifest:
        adapter = folder / f"adapter-{iteration}"
        adapter.mkdir(parents=True)
        (adapter / "adapter_config.json").write_text(f'{{"r": {iteration}}}')
        (adapter / "adapter_model.safetensors").write_bytes(bytes([iteration]) * 1000)
        key = content_key("train", iteration)
        upload_folder(self.store, adapter, f"train/{key}/adapter")
        model = ModelRef(
            base="builtin:tiny-vlm",
            base_sha256="ab" * 32,
            adapter=f"train/{key}/adapter",
            adapter_sha256=content_key(folder_checksums(adapter)),
        )
        made = Manifest(
            stage="train", stage_version=1, key=key, model=model, metrics={"last_loss": 0.5}
        )
        return self.record(made, iteration)

    def examples(self, iteration: int) -> Manifest:
        rows = [Example(id="p/chosen_first/0", images=("aa",), prompt="?", completion="A")]
        header = Manifest(stage="filter", stage_version=1, key=content_key("filter", iteration))
        made = write_shards(self.store, header, [rows], lambda batch: Work(batch))
        return msgspec.structs.replace(made, metrics={"kept_share": 0.25})

    def inputs(self, iteration: int, folder: Path, validation: int, gold: int) -> list[Manifest]:
        return [
            self.trained(iteration, folder),
            self.scores("validate", iteration, validation, "held_out"),
            self.scores("evaluate", iteration, gold),
            self.examples(iteration),
        ]

    def register(self, iteration: int, folder: Path, validation: int, gold: int) -> Manifest:
        inputs = self.inputs(iteration, folder, validation, gold)
        made = register(self.config, self.store, self.ledger, iteration, *inputs)
        return self.record(made, iteration)

    def promote(self) -> Manifest:
        return promote_stage(self.config, self.store, self.ledger)

    def record(self, made: Manifest, iteration: int) -> Manifest:
        self.ledger.record(Entry(stage=made.stage, iteration=iteration, manifest=made))
        return made

    def runs(self) -> list[Any]:
        experiment = connect().get_experiment_by_name(self.name)
        return list(connect().search_runs([experiment.experiment_id]))


def test_registering_twice_gives_one_version_with_one_run(loop, tmp_path):
    inputs = loop.inputs(1, tmp_path, validation=20, gold=30)
    first = register(loop.config, loop.store, loop.ledger, 1, *inputs)
    loop.store.delete(f"register/{first.key}/manifest.json")  # as if it had died before the end
    assert register(loop.config, loop.store, loop.ledger, 1, *inputs) == first
    assert first.details["uri"] == f"models:/{loop.name}/1"
    assert len(connect().search_model_versions(f"name = '{loop.name}'")) == 1
    assert aliases(loop.name) == {"candidate": "1"}
    parent, child = sorted(loop.runs(), key=lambda run: "mlflow.parentRunId" in run.data.tags)
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert child.data.metrics["validation/both_orders"] == 0.5
    assert child.data.metrics["evaluation/both_orders"] == 0.75
    assert child.data.metrics["examples/kept_share"] == 0.25
    assert child.data.params["training.rank"] == str(loop.config.training.rank)
    models = connect().search_logged_models([parent.info.experiment_id])
    assert ("validation/both_orders", 0.5) in [(m.key, m.value) for m in models[0].metrics]
    assert len(connect().get_metric_history(child.info.run_id, "training/last_loss")) == 1


def test_a_version_alone_gives_back_its_judge_file_and_the_very_adapter(loop, tmp_path):
    made = loop.register(1, tmp_path, validation=20, gold=30)
    assert made.metrics["evaluation/both_orders"] == 0.75
    assert made.counts["evaluation/n"] == ITEMS
    folder = tmp_path / "fetched"
    judge = fetch_version(f"models:/{loop.name}@candidate", folder).judge
    assert folder_checksums(folder / "adapter") == folder_checksums(tmp_path / "adapter-1")
    assert sorted(path.name for path in folder.iterdir()) == ["adapter", "judge.json"]
    assert msgspec.convert(judge.config, Config) == loop.config
    assert judge.metrics == made.metrics
    assert set(judge.manifests) == {"train", "validate", "evaluate", "filter"}
    assert set(judge.manifests.values()) == set(made.inputs)
    assert judge.examples == tuple(shard.sha256 for shard in loop.examples(1).shards)
    model = judge.located(folder)
    assert model.content() == made.model.content()
    assert fetch_adapter(model, loop.store, tmp_path / "unused") == folder / "adapter"
    assert fetch_version(made.details["uri"], folder).judge == judge  # a second time is no error


def test_a_damaged_adapter_is_refused_by_name(loop, tmp_path):
    made = loop.register(1, tmp_path, validation=20, gold=30)
    folder = tmp_path / "fetched"
    fetch_version(made.details["uri"], folder)
    (folder / "adapter" / "adapter_model.safetensors").write_bytes(b"other")
    with pytest.raises(RegistryError, match=r"adapter_model\.safetensors"):
        fetch_version(made.details["uri"], folder)


def test_a_loop_can_start_from_a_version_in_another_store(loop, tmp_path):
    made = loop.register(1, tmp_path, validation=20, gold=30)
    other = FolderStore(tmp_path / "other")
    version, model = bring_version(made.details["uri"], other)
    assert version == "1"
    assert model.content() == made.model.content()
    found = fetch_adapter(model, other, tmp_path / "start")
    assert folder_checksums(found) == folder_checksums(tmp_path / "adapter-1")


def test_promoting_moves_champion_and_previous_and_twice_changes_nothing(loop, tmp_path):
    loop.register(1, tmp_path, validation=20, gold=30)
    loop.register(2, tmp_path, validation=21, gold=31)
    promote(loop.name, "1")
    assert aliases(loop.name) == {"candidate": "2", "champion": "1"}
    assert replaced_by(loop.name, "1") is None
    for _ in range(2):
        promote(loop.name, "2")
        assert aliases(loop.name) == {"candidate": "2", "champion": "2", "previous": "1"}
        assert replaced_by(loop.name, "2") == "1"
    assert resolve_model(f"models:/{loop.name}@previous").version == "1"


def test_the_best_version_by_validation_replaces_the_start_model_once(loop, tmp_path):
    loop.register(1, tmp_path, validation=25, gold=30)
    loop.register(2, tmp_path, validation=25, gold=40)  # a tie: the earlier one is taken
    loop.register(3, tmp_path, validation=24, gold=40)
    decision = loop.promote()
    assert decision.details["decision"] == "promote"
    assert decision.details["candidate_version"] == "1"
    assert decision.details["champion_version"] == ""
    assert decision.details["opponent"] == "start model"
    assert (decision.counts["n"], decision.metrics["difference"]) == (ITEMS, 0.5)
    after = aliases(loop.name)
    assert after == {"candidate": "3", "champion": "1"}
    assert loop.promote() == decision
    loop.store.delete(f"promote/{decision.key}/manifest.json")  # died after the alias moved
    assert loop.promote() == decision
    assert aliases(loop.name) == after
    parent = connect().get_run(loop_run(loop.name, "loop").id)
    assert parent.data.metrics["gate/difference"] == 0.5
    assert parent.data.tags["judgeloop.decision"] == "promote"


def test_a_later_loop_meets_the_champion_on_the_same_items(loop, tmp_path):
    loop.register(1, tmp_path, validation=25, gold=30)
    loop.promote()
    later = Loop(tmp_path / "store", loop.name, "later")
    later.scores("evaluate", 0, right=10)
    later.register(1, tmp_path / "later", validation=30, gold=31)
    decision = later.promote()
    assert decision.details["decision"] == "refuse"
    assert decision.details["opponent"] == f"{loop.name}/1"
    assert decision.metrics["difference"] == pytest.approx(1 / ITEMS)
    assert aliases(loop.name)["champion"] == "1"


def test_a_champion_scored_on_other_items_or_elsewhere_stays(loop, tmp_path):
    loop.register(1, tmp_path, validation=25, gold=30)
    loop.promote()
    other = Loop(tmp_path / "store", loop.name, "other-items")
    inputs = other.inputs(1, tmp_path / "other", validation=30, gold=40)
    inputs[2] = other.scores("evaluate", 1, right=40, items="new-gold")
    other.record(register(other.config, other.store, other.ledger, 1, *inputs), 1)
    assert other.promote().details["reason"] == f"{loop.name}/1 was scored on other items"
    elsewhere = Loop(tmp_path / "elsewhere", loop.name, "elsewhere")
    elsewhere.register(1, tmp_path / "third", validation=30, gold=40)
    refused = elsewhere.promote()
    assert refused.details["reason"] == f"there are no item results of {loop.name}/1 in this store"
    assert (refused.counts["n"], refused.metrics) == (0, {})
    assert aliases(loop.name)["champion"] == "1"


def test_a_control_arm_is_never_promoted(tracking_uri, tmp_path):
    name = f"judge-{uuid.uuid4().hex[:8]}"
    loop = Loop(tmp_path / "store", name, "control", **{"filtering.keep": "unfiltered"})
    loop.scores("evaluate", 0, right=10)
    loop.register(1, tmp_path, validation=25, gold=40)
    decision = loop.promote()
    assert decision.details["decision"] == "refuse"
    assert "unfiltered: a control" in decision.details["reason"]
    assert "champion" not in aliases(name)


def test_a_loop_without_versions_is_refused_with_that_reason(loop):
    decision = loop.promote()
    assert decision.details["reason"] == "the loop registered no version"
    assert loop.promote() == decision


def test_addresses_of_nothing_are_errors_that_say_what_there_is(loop, tmp_path):
    loop.register(1, tmp_path, validation=25, gold=30)
    with pytest.raises(RegistryError, match=r"has no alias 'champion' \(it has candidate\)"):
        resolve_model(f"models:/{loop.name}@champion")
    with pytest.raises(RegistryError, match="version=9"):
        resolve_model(f"models:/{loop.name}/9")
    with pytest.raises(RegistryError, match="models:/name@alias"):
        resolve_model(loop.name)


def test_a_version_that_judgeloop_did_not_make_is_refused(loop, tmp_path):
    loop.register(1, tmp_path, validation=25, gold=30)
    run: Run = loop_run(loop.name, "loop")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "weights.bin").write_bytes(b"x")
    logged = connect().create_logged_model(run.experiment_id, "foreign")
    connect().log_model_artifacts(logged.model_id, str(tmp_path / "foreign"))
    connect().finalize_logged_model(logged.model_id, "READY")
    source = f"models:/{logged.model_id}"
    connect().create_model_version(loop.name, source, model_id=logged.model_id)
    with pytest.raises(RegistryError, match=r"judge\.json"):
        resolve_model(f"models:/{loop.name}/2")
    with pytest.raises(RegistryError, match="did not register it"):
        fetch_version(f"models:/{loop.name}/2", tmp_path / "fetched")


def test_an_unreachable_server_is_named_within_seconds_without_its_password(monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        uri = f"127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://somebody:hunter2@{uri}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    import mlflow  # noqa: F401  (its import is not the server's time)

    start = time.monotonic()
    with pytest.raises(RegistryError) as caught:
        connect()
    assert time.monotonic() - start < 10
    assert f"http://{uri} does not answer" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "somebody" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_without_an_address_nothing_is_written_to_the_working_folder(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(RegistryError, match="MLFLOW_TRACKING_URI is not set"):
        connect()


def test_artifacts_without_a_server_lie_beside_the_database(sqlite_uri, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", sqlite_uri)
    Loop(tmp_path / "store", "beside").register(1, tmp_path, validation=25, gold=30)
    folder = Path(sqlite_uri.removeprefix("sqlite:///")).parent / "mlflow-artifacts"
    assert any(folder.rglob("judge.json"))


def test_the_stages_modules_do_not_import_mlflow():
    code = "import judgeloop.stages.promote, judgeloop.stages.register, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert "judgeloop.registry.versions" in done.stdout.split()
    assert "mlflow" not in done.stdout.split()
