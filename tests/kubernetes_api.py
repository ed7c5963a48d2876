"""Stands in for Kubernetes' API: what kubectl and the Python client need to read quotas and logs.

Nothing is scheduled and nothing runs. Paths, the label selector and the answers' shapes are those
of the API (`kubectl` itself is led to it in a test); namespace `closed` is forbidden. `tests.pod`
shows it over TLS to what runs as in a pod.
"""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

HARD = {"requests.nvidia.com/gpu": "4", "limits.memory": "256Gi", "pods": "10"}
Tree = dict[str, Any]


class Pod(NamedTuple):
    """A pod with a container `main`; None for a log is a container that waits for its node."""

    name: str
    run_id: str
    phase: str
    created: str
    log: str | None

    @property
    def document(self) -> Tree:
        """The pod as the API gives it."""
        container = {"name": "main", "image": "registry.example/judgeloop-cpu@sha256:0"}
        return {
            "apiVersion": "v1", "kind": "Pod", "status": {"phase": self.phase},
            "metadata": {"name": self.name, "namespace": "team", "creationTimestamp": self.created,
                         "labels": {"pipeline/runid": self.run_id}},
            "spec": {"containers": [{"name": "wait", "image": "x"}, container]},
        }  # fmt: skip


class KubernetesApi:
    """The server's state."""

    def __init__(self) -> None:
        self.pods: list[Pod] = []
        self.asked: list[str] = []
        self.hard = dict(HARD)
        self.token: str | None = None
        """Whose requests are let in; None: everyone's."""

    def answer(self, path: str, query: dict[str, list[str]]) -> tuple[int, Tree | str]:
        """Status and body of a GET."""
        match path.strip("/").split("/"):
            case ["api"]:
                return 200, {"kind": "APIVersions", "versions": ["v1"]}
            case ["apis"]:
                return 200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": []}
            case ["api", "v1"]:
                kinds = [("pods", "Pod"), ("pods/log", "Pod"), ("resourcequotas", "ResourceQuota")]
                resources = [{"name": name, "kind": kind, "namespaced": True, "singularName": "",
                              "verbs": ["get", "list"]} for name, kind in kinds]  # fmt: skip
                return 200, {
                    "kind": "APIResourceList",
                    "groupVersion": "v1",
                    "resources": resources,
                }
            case ["api", "v1", "namespaces", "closed", *_]:
                kind = path.strip("/").split("/")[4]
                said = f"{kind} is forbidden: User cannot list resource"
                return refusal(403, "Forbidden", said)
            case ["api", "v1", "namespaces", "team", "resourcequotas"]:
                quota = {"metadata": {"name": "team"}, "spec": {"hard": self.hard},
                         "status": {"hard": self.hard}}  # fmt: skip
                return 200, {"kind": "ResourceQuotaList", "apiVersion": "v1", "items": [quota]}
            case ["api", "v1", "namespaces", "team", "pods"]:
                wanted = query.get("labelSelector", [""])[0]
                items = [
                    pod.document for pod in self.pods if wanted == f"pipeline/runid={pod.run_id}"
                ]
                return 200, {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}
            case ["api", "v1", "namespaces", "team", "pods", name, "log"]:
                return self._log(name, query)
        return refusal(404, "NotFound", "the server could not find the requested resource")

    def _log(self, name: str, query: dict[str, list[str]]) -> tuple[int, Tree | str]:
        (pod,) = [pod for pod in self.pods if pod.name == name]
        container = query["container"][0]
        assert container == "main"
        if pod.log is None:
            said = f'container "main" in pod "{name}" is waiting to start: ContainerCreating'
            return refusal(400, "BadRequest", said)
        return 200, pod.log


def refusal(code: int, reason: str, message: str) -> tuple[int, Tree]:
    """A failure as Kubernetes says it."""
    return code, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                  "message": message, "reason": reason, "code": code}  # fmt: skip


def write_kubeconfig(path: Path, url: str, context: str = "here") -> None:
    """Writes a kubeconfig whose context `here` leads to a server."""
    here = {"name": "here"}
    path.write_text(yaml.safe_dump({
        "apiVersion": "v1", "kind": "Config", "current-context": context,
        "users": [{**here, "user": {}}],
        "contexts": [{**here, "context": {"cluster": "here", "user": "here"}}],
        "clusters": [{**here, "cluster": {"server": url}}],
    }))  # fmt: skip


@contextmanager
def serving(state: KubernetesApi, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serves a state on the loopback, over TLS where a context is given; yields the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            parts = urlsplit(self.path)
            status, answer = refusal(401, "Unauthorized", "Unauthorized")
            if state.token in (None, self.headers.get("Authorization", "").removeprefix("Bearer ")):
                status, answer = state.answer(parts.path, parse_qs(parts.query))
            plain = isinstance(answer, str)
            data = (answer if plain else json.dumps(answer)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if plain else "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Nothing: who distrusts our certificate hangs up."""

    with Server(("127.0.0.1", 0), Handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
def kubernetes_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubernetesApi]:
    """The server, to which `KUBECONFIG` leads."""
    state = KubernetesApi()
    with serving(state) as port:
        write_kubeconfig(tmp_path / "kubeconfig", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        yield state
