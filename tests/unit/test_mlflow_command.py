"""`judgeloop mlflow` names the model's page, and says where there is nothing to open."""

import json
import subprocess
from pathlib import Path

import pytest

from judgeloop.cli.main import main
from judgeloop.cli.mlflow import model_page
from judgeloop.registry.client import connect
from judgeloop.registry.tracking import open_experiment
from judgeloop.runtime.reference import write_config
from judgeloop.schema.config import load_config
from judgeloop.store import FolderStore


@pytest.mark.parametrize(
    ("server", "name", "page"),
    [
        (
            "http://127.0.0.1:5000",
            "judge",
            "http://127.0.0.1:5000/#/models/judge?workflowType=machine_learning",
        ),
        (
            "http://host/base/",
            "a b%",
            "http://host/base/#/models/a%20b%25?workflowType=machine_learning",
        ),
    ],
)
def test_the_page_of_a_model_is_an_address(server: str, name: str, page: str) -> None:
    assert model_page(server, name) == page


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder without a registry."""
    store = FolderStore(tmp_path / "store")
    config = load_config(Path("micro"), [f"store={tmp_path}/store"])
    arguments = {"config": str(write_config(store, "first", config, 1)), "loop_id": "first"}
    (tmp_path / "arguments.json").write_text(json.dumps(arguments))
    return tmp_path


def test_a_server_s_page_is_printed_and_a_missing_registry_is_said(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000")
    assert main(["mlflow", str(run)]) == 0
    page = "http://mlflow:5000/#/models/judgeloop-micro?workflowType=machine_learning"
    assert capsys.readouterr().out == f"{page}\n"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert main(["mlflow", str(run)]) == 2
    assert "there is no registry at" in capsys.readouterr().err


def test_the_pages_of_a_run_s_model_and_loops_open_as_model_training(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = f"sqlite:///{run}/mlflow/mlflow.db"
    (run / "mlflow").mkdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry)
    experiment = open_experiment(connect(), "judgeloop-micro")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    served: list[str] = []
    monkeypatch.setattr(subprocess, "call", lambda command, **_: served.extend(command) or 0)
    assert main(["mlflow", str(run), "--port", "5001"]) == 0
    server = "http://127.0.0.1:5001/#"
    assert capsys.readouterr().out.splitlines() == [
        f"the model's page: {server}/models/judgeloop-micro?workflowType=machine_learning",
        f"its loops:        {server}/experiments/{experiment}?workflowType=machine_learning",
    ]
    assert served[-1] == registry
