"""The version of Kubeflow Pipelines, where a server tells it, over HTTP."""

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from judgeloop.schema.errors import ClusterError, PreflightError
from pipelines.cluster.doctor import examine_cluster
from pipelines.profile import read_profile
from tests.kfp_contract import load_contract
from tests.kfp_process import REPOSITORY, KfpServer, connect
from tests.kubernetes_api import KubernetesApi

API_SERVER = {"multi_user": False, "pipeline_store": "database"}
USER_INTERFACE = {
    "buildDate": "", "frontendCommitHash": "", "frontendTagName": "2.17.0", "apiServerReady": True,
    "apiServerCommitHash": "1f", "apiServerMultiUser": False, "multi_user": False,
    "pipelineStore": "database",
}  # fmt: skip
"""Answers of the health check, as the source has them, but for the version."""


def examined(server: KfpServer, health: dict[str, Any]) -> str:
    """What the preflight says of a server with that health."""
    server.control(execute=False, health=health)
    console = Console(file=io.StringIO(), width=200)
    examine_cluster(connect(server.url), read_profile("cpu"), console)
    (line,) = [each for each in console.file.getvalue().splitlines() if each.startswith("version")]
    return line


def test_a_version_is_told_by_the_api_server_and_by_the_user_interface_before_it(
    kfp_server: KfpServer, kubernetes_api: KubernetesApi
) -> None:
    for told in ("2.17.0", "2.17.0-rc.1", "2.18.3", "3.0.0"):
        expected = f"version   ok      Kubeflow Pipelines {told}"
        assert examined(kfp_server, API_SERVER | {"tag_name": told}) == expected
        assert examined(kfp_server, USER_INTERFACE | {"apiServerTagName": told}) == expected


@pytest.mark.parametrize(
    ("health", "said"),
    [
        (API_SERVER, "the server does not tell its version"),
        (API_SERVER | {"tag_name": "unknown"}, "the server does not tell its version"),
        (USER_INTERFACE | {"apiServerTagName": "unknown"}, "the server does not tell its version"),
        (USER_INTERFACE, "the server does not tell its version"),  # its own says nothing of that
        (API_SERVER | {"tag_name": "master"}, "'master' is not a version"),
    ],
)
def test_a_version_that_is_not_told_is_shown_as_unknown_and_is_no_failure(
    health: dict[str, Any], said: str, kfp_server: KfpServer, kubernetes_api: KubernetesApi
) -> None:
    line = examined(kfp_server, health)
    assert line == f"version   unknown {said}; it must be 2.17 or later"


@pytest.mark.parametrize(
    "health",
    [
        API_SERVER | {"tag_name": "2.16.1"},
        API_SERVER | {"tag_name": "v2.5.0"},
        USER_INTERFACE | {"apiServerTagName": "1.8.22"},
    ],
)
def test_an_older_server_is_refused(
    health: dict[str, Any], kfp_server: KfpServer, kubernetes_api: KubernetesApi
) -> None:
    with pytest.raises(PreflightError, match="and the loop needs"):
        examined(kfp_server, health)


def test_doctor_tells_the_version_and_submit_refuses_before_it_uploads_anything(
    kfp_server: KfpServer, kubernetes_api: KubernetesApi, tmp_path: Path
) -> None:
    sound = kfp_server.call("doctor", KF_PIPELINES_NAMESPACE="team")
    assert sound.returncode == 0, sound.stderr
    assert [line.split()[:2] for line in sound.stdout.splitlines()][:3] == [
        ["server", "ok"], ["version", "ok"], ["quota", "ok"],
    ]  # fmt: skip
    kfp_server.control(execute=False, health=API_SERVER | {"tag_name": "2.16.1"})
    refused = kfp_server.call(
        "submit", "--config", str(REPOSITORY / "pipelines/configs/micro.yaml"),
        "--set", f"store={tmp_path}/store", "--out", str(tmp_path / "p.yaml"),
        KF_PIPELINES_NAMESPACE="team",
    )  # fmt: skip
    assert refused.returncode == PreflightError.exit_code
    assert "the server is Kubeflow Pipelines 2.16.1, and the loop needs 2.17" in refused.stderr
    assert {each["method"] for each in kfp_server.exchanges()} == {"GET"}


@pytest.fixture
def login() -> Iterator[str]:
    """A server that shows its login to whoever asks for anything, as an auth proxy does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>Log in</title>")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_login_page_is_not_taken_for_the_api(login: str) -> None:
    with pytest.raises(ClusterError, match="answers with a page, not with the API"):
        connect(login)


def test_the_contract_knows_what_a_health_check_has_beyond_the_document_and_no_more() -> None:
    contract = load_contract()
    exchange = {"method": "GET", "path": "/apis/v2beta1/healthz", "query": {}, "body": None,
                "status": 200}  # fmt: skip
    for health in (API_SERVER | {"tag_name": "2.17.0", "commit_sha": "1f"}, USER_INTERFACE):
        assert list(contract.violations({**exchange, "answer": health})) == []
    for wrong in ({"tag": "2.17.0"}, {"tag_name": 2.17}, {"multi_user": "no"}):
        assert list(contract.violations({**exchange, "answer": API_SERVER | wrong})), wrong
