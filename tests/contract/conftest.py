"""The registry's tests run on an MLflow server and on SQLite without one."""

import uuid
from pathlib import Path

import pytest

from tests.registry_loop import Loop


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
def loop(tracking_uri: str, tmp_path: Path) -> Loop:
    """A loop with a model name of its own, whose start model is right on 10 of 40 items."""
    loop = Loop(tmp_path / "store", f"judge-{uuid.uuid4().hex[:8]}")
    loop.scores("evaluate", 0, right=10)
    return loop
