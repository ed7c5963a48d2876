"""`judgeloop mlflow` names the model's page, and says where there is nothing to open."""

import json
from pathlib import Path

import pytest

from judgeloop.cli.main import main
from judgeloop.cli.mlflow import model_page
from judgeloop.runtime.reference import write_config
from judgeloop.schema.config import load_config
from judgeloop.store import FolderStore


@pytest.mark.parametrize(
    ("server", "name", "page"),
    [
        ("http://127.0.0.1:5000", "judge", "http://127.0.0.1:5000/#/models/judge"),
        ("http://host/base/", "a b%", "http://host/base/#/models/a%20b%25"),
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
    assert capsys.readouterr().out == "http://mlflow:5000/#/models/judgeloop-micro\n"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert main(["mlflow", str(run)]) == 2
    assert "there is no registry at" in capsys.readouterr().err
