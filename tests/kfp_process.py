"""The server of `tests.kfp_server` in a process of its own, and what went over the wire checked."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.kfp_contract import load_contract

if TYPE_CHECKING:  # a plugin: no test that needs no Kubeflow shall wait for its client
    from pipelines.cluster.server import Kubeflow

REPOSITORY = Path(__file__).resolve().parent.parent
VARIABLES = ("KF_PIPELINES_ENDPOINT", "KF_PIPELINES_UI_ENDPOINT", "KF_PIPELINES_SA_TOKEN_PATH",
             "KF_PIPELINES_TOKEN", "KF_PIPELINES_COOKIE", "KF_PIPELINES_NAMESPACE",
             "KF_PIPELINES_CA_CERT", "KUBERNETES_SERVICE_HOST")  # fmt: skip


class KfpServer(NamedTuple):
    """A running server."""

    url: str
    folder: Path

    def control(self, **values: Any) -> None:
        """Plants trouble; see `tests.kfp_server.State.control`."""
        waiting = self.folder / "control.tmp"
        waiting.write_text(json.dumps(values))
        waiting.rename(self.folder / "control.json")

    def exchanges(self) -> list[dict[str, Any]]:
        """Every request and its answer."""
        path = self.folder / "exchanges.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def made(self, path: str) -> int:
        """How many POSTs to a path have succeeded."""
        asked = [(each["method"], each["path"], each["status"]) for each in self.exchanges()]
        return asked.count(("POST", f"/apis/v2beta1{path}", 200))

    def call(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """`python -m pipelines ...` against this server, to its end."""
        return subprocess.run(
            [sys.executable, "-m", "pipelines", *arguments], cwd=REPOSITORY, check=False,
            capture_output=True, text=True, env=self.environment(**variables),
        )  # fmt: skip

    def environment(self, **variables: str) -> dict[str, str]:
        """The environment of a user of this server."""
        kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        return {**kept, "KF_PIPELINES_ENDPOINT": self.url, "COLUMNS": "200", **variables}


def connect(url: str, namespace: str = "team") -> "Kubeflow":
    """The client of a user of the server at an address."""
    from pipelines.cluster.connection import Connection
    from pipelines.cluster.server import Kubeflow

    given = {"KF_PIPELINES_ENDPOINT": url, "KF_PIPELINES_NAMESPACE": namespace}
    return Kubeflow(Connection.from_environment(given))


def start_server(folder: Path) -> Iterator[KfpServer]:
    """Runs a server; when it has ended, what went over the wire is checked by the contract."""
    contract = load_contract()
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.kfp_server", str(folder)], cwd=REPOSITORY,
            stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
    try:
        port = process.stdout.readline().strip() if process.stdout else ""
        assert port, (folder / "server.log").read_text()
        server = KfpServer(f"http://127.0.0.1:{port}", folder)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    found = [said for each in server.exchanges() for said in contract.violations(each)]
    assert found == []
    assert "Traceback" not in (folder / "server.log").read_text()


@pytest.fixture
def kfp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KfpServer]:
    """A server that keeps runs in the state RUNNING unless `control(execute=True)` is called."""
    for server in start_server(tmp_path_factory.mktemp("kfp")):
        server.control(execute=False)
        yield server
