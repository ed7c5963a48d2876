"""A real MLflow server for tests, on SQLite."""

import sys
from collections.abc import Iterator

import pytest

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
