"""The namespace's quota against a profile, read over HTTP from a server that speaks Kubernetes."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from judgeloop.errors import ClusterError
from pipelines.cluster.quota import read_quotas, shortages
from pipelines.profile import read_profile


@pytest.fixture
def kubernetes_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A server with one quota; the paths that were asked. Namespace `closed` is forbidden."""
    asked: list[str] = []
    hard = {"requests.nvidia.com/gpu": "4", "limits.memory": "256Gi", "pods": "10"}
    quota = {"metadata": {"name": "team"}, "spec": {"hard": hard}, "status": {"hard": hard}}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            closed = "/closed/" in self.path
            answer = {"kind": "Status"} if closed else {"items": [quota]}
            data = json.dumps(answer).encode()
            self.send_response(403 if closed else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        here = {"name": "here"}
        given = {
            "current-context": "here", "users": [{**here, "user": {}}],
            "contexts": [{**here, "context": {"cluster": "here", "user": "here"}}],
            "clusters": [{**here, "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        }  # fmt: skip
        path = tmp_path / "config"
        path.write_text(yaml.safe_dump(given))
        for module in ("config", "config.kube_config"):
            name = f"kubernetes.{module}.KUBE_CONFIG_DEFAULT_LOCATION"
            monkeypatch.setattr(name, str(path))
        yield asked
        server.shutdown()


def test_a_profile_that_no_quota_could_hold_is_found(kubernetes_api: list[str]) -> None:
    quotas = read_quotas("team")
    assert kubernetes_api == ["/api/v1/namespaces/team/resourcequotas"]
    assert list(shortages(read_profile("cpu"), quotas)) == []
    assert list(shortages(read_profile("one-gpu"), quotas)) == []
    said = list(shortages(read_profile("eight-gpu"), quotas))
    assert len(said) == 2
    for words in (
        "`training` asks for 8 requests.nvidia.com/gpu, and the quota team holds 4",
        "`training` asks for 512Gi limits.memory, and the quota team holds 256Gi",
    ):
        assert [each for each in said if words in each]


def test_a_quota_that_may_not_be_read_is_an_error_that_names_the_way(
    kubernetes_api: list[str],
) -> None:
    with pytest.raises(ClusterError, match="kubectl describe quota -n closed"):
        read_quotas("closed")
