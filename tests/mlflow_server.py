"""MLflow for tests: a real server on SQLite, and databases without a server."""

import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from judgeloop.registry.database import make_database
from tests.server_process import free_port, running_server

ENVIRONMENT = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # else 8 processes more and 15 seconds
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start the server on a free port and yield `http://127.0.0.1:port`."""
    port = free_port()
    folder = tmp_path_factory.mktemp("mlflow_server")
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]
    command += ["--port", str(port), "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    url = f"http://127.0.0.1:{port}"
    with running_server(command, f"{url}/health", folder / "log.txt", ENVIRONMENT):
        yield url


@cache
def _empty_database() -> bytes:
    """A database with MLflow's tables, which take it more than a second to make."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mlflow.db"
        make_database(f"sqlite:///{path}")
        return path.read_bytes()


def use_database(folder: Path, patch: pytest.MonkeyPatch, name: str = "mlflow.db") -> str:
    """Leads MLflow to an empty database of its own in a folder.

    Args:
        folder: Gets the database.
        patch: Takes the address back, so that no later test's loop registers there.
        name: Of the file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(_empty_database())
    patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{path}")
    return f"sqlite:///{path}"
