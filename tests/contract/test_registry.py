"""Registered versions on real MLflow: a server process, and SQLite without one."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import msgspec
import pytest

from judgeloop.models.fetch import fetch_adapter
from judgeloop.models.references import describe_base
from judgeloop.registry.addresses import bring_version, fetch_version, resolve_model
from judgeloop.registry.client import connect, without_credentials
from judgeloop.registry.tracking import Run, loop_run
from judgeloop.registry.versions import aliases
from judgeloop.runtime.stages.report import report
from judgeloop.runtime.stages.resolve import resolve
from judgeloop.schema.config import Config
from judgeloop.schema.errors import ConfigError, RegistryError
from judgeloop.store import FolderStore, folder_checksums
from judgeloop.store.images import ImageLibrary
from tests.registry_loop import ITEMS, Loop

# MLflow's SQL tables use a strategy that SQLAlchemy 2.1 wants to drop.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")


def test_registering_twice_gives_one_version_with_one_run(loop, tmp_path):
    inputs = loop.inputs(1, tmp_path, validation=20, gold=30)
    first = loop.enter(1, inputs)
    loop.store.delete(f"register/{first.key}/manifest.json")  # as if it had died before the end
    assert loop.enter(1, inputs) == first
    assert first.result.uri == f"models:/{loop.name}/1"
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


def test_a_model_its_versions_and_runs_say_what_they_are_and_figures_are_curves(loop, tmp_path):
    loop.scores("validate", 0, 10, "held_out")
    for iteration in (1, 2):
        inputs = loop.inputs(iteration, tmp_path, validation=20 * iteration, gold=30)
        loop.enter(iteration, inputs)
        loop.registered(iteration, inputs)  # a resumed run registers it again
    loop.scores("evaluate", 0, 10)  # beside the iterations: it may come last
    for _ in range(2):
        loop.promote()
    client = connect()
    assert f"models:/{loop.name}@champion" in client.get_registered_model(loop.name).description
    said = client.get_model_version(loop.name, "2").description
    assert said.startswith("Iteration 2, trained on 1 of the judge's own judgements.")
    assert re.search(r"right in both orders on 0\.750 \[0\.\d+, 0\.\d+\] of the gold pairs", said)
    assert re.search(r"held-out synthetic pairs; the start model on 0\.250 \[0\.", said)
    assert re.search(r"the start model is right in both orders on 0\.250 \[0\.\d+, 0\.", said)
    assert said.count("start model") == 2
    runs = {run.data.tags["judgeloop.iteration"]: run for run in loop.runs()}
    parent, first = runs["loop"], runs["1"]
    assert parent.data.tags["mlflow.note.content"].startswith("Loop `loop`: trains `scripted")
    assert parent.data.metrics["start/evaluation/both_orders"] == 0.25
    assert parent.data.metrics["start/validation/both_orders_high"] > 0.25
    assert "Iteration" in first.data.tags["mlflow.note.content"]
    experiment = client.get_experiment_by_name(loop.name)
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    assert "gold pairs" in experiment.tags["mlflow.note.content"]

    def curve(run: Any, key: str) -> list[tuple[int, float]]:
        return [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, key)]

    assert curve(parent, "validation/both_orders") == [(0, 0.25), (1, 0.5), (2, 1.0)]
    assert curve(parent, "evaluation/both_orders") == [(0, 0.25), (1, 0.75), (2, 0.75)]
    assert curve(first, "training/loss") == [(1, 2.0), (2, 0.5)]


def test_a_kind_that_a_user_chose_for_the_experiment_stays(loop, tmp_path):
    where = (tmp_path / "artifacts").as_uri()
    place = connect().create_experiment(loop.name, where, {"mlflow.experimentKind": "genai"})
    loop.register(1, tmp_path, validation=20, gold=30)
    assert connect().get_experiment(place).tags["mlflow.experimentKind"] == "genai"


def test_the_report_and_its_pictures_are_artifacts_of_the_loop_s_run(loop, tmp_path):
    images = ImageLibrary(loop.store, 1000)
    # Nothing is registered yet.
    report(loop.config, loop.store, loop.ledger, loop.loop_hash, images, "RUNNING")
    assert connect().get_experiment_by_name(loop.name) is None
    loop.register(1, tmp_path, validation=20, gold=30)
    for _ in range(2):
        report(loop.config, loop.store, loop.ledger, loop.loop_hash, images, "SUCCEEDED")
    names = {file.path for file in connect().list_artifacts(loop.parent().id)}
    assert {"report.html", "report.md", "table.txt", "accuracy.svg"} <= names
    path = connect().download_artifacts(loop.parent().id, "accuracy.svg", str(tmp_path))
    assert "var(" not in Path(path).read_text()


def test_a_registry_that_takes_no_artifacts_costs_no_report(loop, tmp_path, monkeypatch, caplog):
    loop.register(1, tmp_path, validation=20, gold=30)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    images = ImageLibrary(loop.store, 1000)
    files = report(loop.config, loop.store, loop.ledger, loop.loop_hash, images, "SUCCEEDED")
    assert loop.store.read(files.html)
    assert "the report is not in the registry" in caplog.text


def test_the_candidate_is_the_newest_version_also_where_an_older_one_is_found_again(loop, tmp_path):
    first = loop.inputs(1, tmp_path, validation=20, gold=30)
    second = loop.inputs(2, tmp_path, validation=25, gold=30)
    loop.enter(1, first)
    loop.enter(2, second)
    assert aliases(loop.name) == {"candidate": "2"}
    loop.enter(1, first)  # a resumed run registers it again
    assert aliases(loop.name) == {"candidate": "2"}


def test_a_version_alone_gives_back_its_judge_file_and_the_very_adapter(loop, tmp_path):
    made = loop.register(1, tmp_path, validation=20, gold=30)
    assert made.result.evaluation.card.both_orders == 0.75
    assert made.result.evaluation.card.n == ITEMS
    folder = tmp_path / "fetched"
    judge = fetch_version(f"models:/{loop.name}@candidate", folder).judge
    assert folder_checksums(folder / "adapter") == folder_checksums(tmp_path / "adapter-1")
    assert sorted(path.name for path in folder.iterdir()) == ["adapter", "judge.json"]
    assert msgspec.convert(judge.config, Config) == loop.config
    assert judge.metrics["validation/both_orders"] == made.result.validation.card.both_orders
    assert set(judge.manifests) == {"train", "validate", "evaluate", "filter"}
    assert set(judge.manifests.values()) == set(made.inputs)
    assert judge.examples == tuple(shard.sha256 for shard in loop.examples(1).shards)
    model = judge.located(folder)
    assert model.content() == made.model.content()
    assert fetch_adapter(model, loop.store, tmp_path / "unused") == folder / "adapter"
    assert fetch_version(made.result.uri, folder).judge == judge  # a second time is no error


@pytest.mark.slow
def test_another_process_fetches_the_very_version(loop, tmp_path):
    made = loop.register(1, tmp_path, validation=20, gold=30)
    fetch_version(made.result.uri, tmp_path / "here")
    command = [
        sys.executable,
        "-m",
        "judgeloop.registry.concurrent_fetch",
        f"models:/{loop.name}@candidate",
    ]
    ran = subprocess.run(
        [*command, str(tmp_path / "there")], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "1"
    assert folder_checksums(tmp_path / "there") == folder_checksums(tmp_path / "here")


def test_a_damaged_adapter_is_refused_by_name(loop, tmp_path):
    made = loop.register(1, tmp_path, validation=20, gold=30)
    folder = tmp_path / "fetched"
    fetch_version(made.result.uri, folder)
    (folder / "adapter" / "adapter_model.safetensors").write_bytes(b"other")
    with pytest.raises(RegistryError, match=r"adapter_model\.safetensors"):
        fetch_version(made.result.uri, folder)


def test_a_loop_can_start_from_a_version_in_another_store(loop, tmp_path):
    made = loop.register(1, tmp_path, validation=20, gold=30)
    other = FolderStore(tmp_path / "other")
    start = bring_version(made.result.uri, other)
    assert (start.version, start.controls) == ("1", ())
    assert start.model.content() == made.model.content()
    found = fetch_adapter(start.model, other, tmp_path / "start")
    assert folder_checksums(found) == folder_checksums(tmp_path / "adapter-1")


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
    run: Run = loop_run(loop.name, "loop", "")
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


@pytest.mark.parametrize(
    "call",
    [
        "versions.aliases('judge')",
        "addresses.resolve_model('models:/judge/1')",
        "versions.replaced_champion('judge', '1')",
        "tracking.loop_run('experiment', 'loop', '')",
        "tracking.log_run(tracking.Run('1', '1'), {}, {}, {})",
    ],
)
def test_without_mlflow_the_extra_is_named(call, sqlite_uri):
    code = (
        "import sys; sys.modules['mlflow'] = None\n"
        "from judgeloop.schema.errors import RegistryError\n"
        "from judgeloop.registry import addresses, tracking, versions\n"
        f"try: {call}\n"
        "except RegistryError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"MLFLOW_TRACKING_URI": sqlite_uri},
    )
    assert "install judgeloop[registry]" in done.stdout, done.stderr


def test_the_stages_modules_do_not_import_mlflow():
    code = (
        "import judgeloop.runtime.stages.promote, judgeloop.runtime.stages.register, sys\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert "judgeloop.registry.versions" in done.stdout.split()
    assert "mlflow" not in done.stdout.split()


def test_a_loop_goes_on_from_a_version_only_with_the_base_that_it_was_trained_on(loop, tmp_path):
    base = tmp_path / "base"
    base.mkdir()
    (base / "config.json").write_text("{}")
    loop.base = describe_base(str(base), None)
    uri = loop.register(1, tmp_path, validation=20, gold=30).result.uri

    def begun(where: Path) -> str:
        settings = {"model.base": where, "engine.kind": "transformers", "training.kind": "lora"}
        child = Loop(tmp_path / "store", loop.name, "child", **settings, **{"model.start": uri})
        model = resolve(child.config, child.store, child.ledger).model
        assert model.adapter is not None
        return model.base

    moved = tmp_path / "moved"
    shutil.copytree(base, moved)
    assert begun(base) == str(base)
    assert begun(moved) == str(moved)  # the same files in another place
    (moved / "config.json").write_text("[]")
    with pytest.raises(ConfigError, match=f"trained on {base}.*{moved} is another model"):
        begun(moved)
    (base / "config.json").write_text("[]")
    with pytest.raises(ConfigError, match=f"{base} on this machine is not the one"):
        begun(base)


def test_an_address_with_a_password_is_printed_nowhere(mlflow_server, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    address = mlflow_server.replace("://", "://ada:canary@")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    loop = Loop(tmp_path / "store", "judge-behind-a-password")
    loop.scores("evaluate", 0, right=10)
    loop.register(1, tmp_path, validation=20, gold=30)
    with pytest.raises(RegistryError, match="no alias") as caught:
        resolve_model(f"models:/{loop.name}@nobody")
    printed = capfd.readouterr()
    assert "canary" not in printed.out + printed.err + str(caught.value)


def test_loops_of_one_id_in_two_stores_or_with_other_settings_share_no_run(tracking_uri, tmp_path):
    name = f"judge-{uuid.uuid4().hex[:8]}"
    loops = [
        Loop(tmp_path / "one", name),
        Loop(tmp_path / "two", name),
        Loop(tmp_path / "one", name, **{"training.rank": 4}),
    ]
    for loop in loops:
        loop.register(1, tmp_path / uuid.uuid4().hex, validation=20, gold=30)
    runs = loops[0].runs()
    parents = {run.data.tags.get("mlflow.parentRunId") for run in runs} - {None}
    assert (len(runs), len(parents)) == (6, 3)
    assert parents == {loop.parent().id for loop in loops}
    again = Loop(tmp_path / "one", name, **{"gate.min_difference": 0.1, "engine.batch_size": 2})
    assert again.parent() == loops[0].parent(), "what decides no judge may change"


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("sqlite:////tmp/run/mlflow.db", "sqlite:////tmp/run/mlflow.db"),
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
        ("sqlite:////tmp/a#b/m.db?mode=ro", "sqlite:////tmp/a#b/m.db"),
        ("postgresql://u:p@host:1/db?password=x", "postgresql://host:1/db"),
        ("http://ada:a@b@host/path?q=1#f", "http://host/path"),
        ("http://host", "http://host"),
        ("http://host?token=x", "http://host"),
    ],
)
def test_an_address_is_shown_whole_but_for_its_secrets(uri, shown):
    assert without_credentials(uri) == shown
