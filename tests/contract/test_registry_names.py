"""Odd names on real MLflow, a server and SQLite without one: registered, scored and found again."""

import uuid
from pathlib import Path

import msgspec
import pytest

from judgeloop.ops.doctor.checks import check_registry
from judgeloop.ops.doctor.preflight import require_registry, run_check
from judgeloop.registry.addresses import fetch_version, resolve_model
from judgeloop.registry.client import connect
from judgeloop.registry.versions import aliases, version_uri
from judgeloop.schema.config import load_config
from judgeloop.schema.errors import RegistryError
from tests.conftest import REPOSITORY
from tests.registry_loop import ITEMS, Loop

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")
PRESETS = sorted((REPOSITORY / "pipelines/configs").glob("*.yaml"))


def registered_and_found(loop: Loop, folder: Path) -> None:
    """Registers a version, and finds it by both forms of address."""
    made = loop.register(1, folder, validation=20, gold=30)
    found = fetch_version(f"models:/{loop.name}@candidate", folder / "fetched")
    assert (found.name, found.uri) == (loop.name, made.result.uri)
    assert (folder / "fetched" / "adapter" / "adapter_config.json").is_file()
    assert resolve_model(version_uri(loop.name, found.version)) == found


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_the_names_of_every_preset_can_be_registered(
    sqlite_uri: str, preset: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", sqlite_uri)
    names = load_config(preset).registry
    loop = Loop(tmp_path / "store", names.model_name, preset.stem)
    loop.config = msgspec.structs.replace(loop.config, registry=names)
    registered_and_found(loop, tmp_path)
    assert connect().get_experiment_by_name(names.experiment) is not None


ODD_NAMES = {
    "paths": "a.b..c%41",
    "quotes": 'it\'s a "judge" `z`',
    "addresses": "a@b?c#d&e=f;g+h",
    "letters": "颜色 café 😀",
    "signs": "-[x] {y}, (w)*!|<>~^$\\",
    "long": "é" * 248,
}


@pytest.mark.parametrize("name", ODD_NAMES.values(), ids=ODD_NAMES)
def test_every_name_that_the_configuration_takes_can_be_registered(
    tracking_uri: str, name: str, tmp_path: Path
) -> None:
    registered_and_found(Loop(tmp_path / "store", f"{name}{uuid.uuid4().hex[:8]}"), tmp_path)


def test_a_version_with_an_odd_name_can_be_promoted(tracking_uri: str, tmp_path: Path) -> None:
    loop = Loop(tmp_path / "store", f"it's.a@judge {uuid.uuid4().hex[:8]}")
    loop.scores("evaluate", 0, right=10)
    loop.register(1, tmp_path, validation=20, gold=30)
    assert loop.promote().result.gate.decision == "promote"
    assert aliases(loop.name) == {"candidate": "1", "champion": "1"}


CATEGORIES = [
    "../x", "/x", ".", "c" * 300, "d" * 300, "颜色", "形状", "रंग", "a?", "a!", "Colour", "colour",
    "café", "cafe\u0301", "", " ", "a//b", "a/b", "n", "low",
]  # fmt: skip


def test_each_category_of_gold_pairs_becomes_a_metric_of_its_own(
    loop: Loop, tmp_path: Path
) -> None:
    inputs = [
        loop.trained(1, tmp_path),
        loop.scores("validate", 1, 20, "held_out", CATEGORIES),
        loop.scores("evaluate", 1, len(CATEGORIES) + 10, "gold", CATEGORIES),
        loop.examples(1),
    ]
    made = loop.registered(1, inputs)
    assert len(made.result.evaluation.card.categories) == 20
    (run,) = [run for run in loop.runs() if "mlflow.parentRunId" in run.data.tags]
    by_category = {
        key: value for key, value in run.data.metrics.items() if "evaluation/both_orders/" in key
    }
    # Of each category two items: both right in the first ten categories, one in the others.
    assert 2 * len(CATEGORIES) == ITEMS
    assert sorted(by_category.values()) == [0.5] * 10 + [1.0] * 10
    assert by_category["evaluation/both_orders/颜色"] == 1.0
    assert by_category["evaluation/both_orders/a/b"] == 0.5


def test_a_deleted_experiment_is_named_before_anything_is_computed(
    loop: Loop, tmp_path: Path
) -> None:
    assert check_registry(loop.config)
    client = connect()
    client.delete_experiment(client.create_experiment(loop.name))
    finding = run_check("registry", lambda: check_registry(loop.config))
    assert finding.state == "FAILED"
    assert f"the experiment {loop.name!r} (registry.experiment) was deleted" in finding.said
    with pytest.raises(RegistryError, match="restore it there, or choose another name"):
        loop.register(1, tmp_path, validation=20, gold=30)
    assert list(client.search_registered_models(f"name LIKE '{loop.name}%'")) == []


def test_the_check_leaves_nothing_behind(loop: Loop, tmp_path: Path) -> None:
    loop.register(1, tmp_path, validation=20, gold=30)
    check_registry(loop.config)
    (model,) = connect().search_registered_models(f"name LIKE '{loop.name}%'")
    assert model.name == loop.name
    experiment = connect().get_experiment_by_name(loop.name)
    assert len(connect().search_logged_models([experiment.experiment_id])) == 1


def test_a_run_on_this_machine_tries_its_names_on_a_server_first(
    mlflow_server: str, fault_proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = Loop(tmp_path / "store", f"judge-{uuid.uuid4().hex[:8]}")
    proxy = fault_proxy(mlflow_server)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", proxy.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    require_registry(loop.config)
    proxy.break_with(method="POST", path="registered-models/create", status=403)
    with pytest.raises(RegistryError, match="cannot write to the registry"):
        require_registry(loop.config)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    require_registry(loop.config)
    assert not (tmp_path / "mlflow.db").exists(), "nothing is tried without a server"
