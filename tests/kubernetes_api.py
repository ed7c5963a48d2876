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

NODE = {
    "metadata": {"name": "node1", "labels": {"gpu": "a100"}},
    "spec": {"taints": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}]},
    "status": {"allocatable": {"cpu": "64", "memory": "512Gi", "nvidia.com/gpu": "4"}},
}
PLAIN_NODE = {
    "metadata": {"name": "node0"},
    "status": {"allocatable": {"cpu": "15800m", "memory": "65000000Ki"}},
}
LISTS: dict[str, list[dict[str, Any]]] = {
    "/api/v1/nodes": [PLAIN_NODE, NODE],
    "/apis/storage.k8s.io/v1/storageclasses": [],
    "/api/v1/namespaces/team/limitranges": [{"spec": {"limits": [
        {"type": "Container", "default": {"cpu": "500m", "memory": "512Mi"}}
    ]}}],
    "/apis/argoproj.io/v1alpha1/namespaces/team/workflows": [],
}  # fmt: skip
HELD = {
    "secrets/judgeloop-store": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    "secrets/judgeloop-registry": ("MLFLOW_TRACKING_URI",),
    "configmaps/judgeloop-settings": ("AWS_DEFAULT_REGION", "HF_HUB_OFFLINE"),
}
HARD = {"requests.nvidia.com/gpu": "4", "limits.memory": "256Gi", "pods": "10"}
NODE_NAME = "workflows.argoproj.io/node-name"
Tree = dict[str, Any]


class Pod(NamedTuple):
    """A pod with a container `main`; None for a log is a container that waits for its node."""

    name: str
    run_id: str
    phase: str
    created: str
    log: str | None
    node: str = ""
    """Argo's path of its node."""
    conditions: list[dict[str, str]] = []  # noqa: RUF012 - never changed

    @property
    def document(self) -> Tree:
        """The pod as the API gives it."""
        container = {"name": "main", "image": "registry.example/judgeloop-cpu@sha256:0"}
        return {
            "apiVersion": "v1", "kind": "Pod",
            "status": {"phase": self.phase, "conditions": self.conditions},
            "metadata": {"name": self.name, "namespace": "team", "creationTimestamp": self.created,
                         "uid": f"uid-{self.name}",
                         "labels": {"pipeline/runid": self.run_id},
                         "annotations": {NODE_NAME: self.node} if self.node else {}},
            "spec": {"containers": [{"name": "wait", "image": "x"}, container]},
        }  # fmt: skip


class KubernetesApi:
    """The server's state."""

    def __init__(self) -> None:
        self.pods: list[Pod] = []
        self.asked: list[str] = []
        self.calls: set[tuple[str, str]] = set()
        """Verbs and resources that were asked for, as roles name them."""
        self.objects: dict[str, Tree] = {path: {"items": items} for path, items in LISTS.items()}
        """What lies at a path of the API; a list has `items`."""
        for path, data in HELD.items():
            self.objects[f"/api/v1/namespaces/team/{path}"] = {"data": dict.fromkeys(data, "eA==")}
        self.admission: tuple[int, Tree] = 201, {"kind": "Pod"}
        """The answer to a pod that is posted with dryRun=All."""
        self.posted: list[Tree] = []
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
                left_out = query.get("fieldSelector", [""])[0].removeprefix("status.phase!=")
                items = [
                    pod.document for pod in self.pods
                    if wanted == f"pipeline/runid={pod.run_id}" and pod.phase != left_out
                ]  # fmt: skip
                return 200, {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}
            case ["api", "v1", "namespaces", "team", "pods", name, "log"]:
                return self._log(name, query)
        if path in self.objects:
            return 200, self.objects[path]
        return refusal(404, "NotFound", "the server could not find the requested resource")

    def _log(self, name: str, query: dict[str, list[str]]) -> tuple[int, Tree | str]:
        (pod,) = [pod for pod in self.pods if pod.name == name]
        container = query["container"][0]
        assert container == "main"
        if pod.log is None:
            said = f'container "main" in pod "{name}" is waiting to start: ContainerCreating'
            return refusal(400, "BadRequest", said)
        return 200, pod.log


def called(verb: str, path: str) -> set[tuple[str, str]]:
    """The call as a role names it: its verb and `group/resource`; nothing for the API itself."""
    parts = path.strip("/").split("/")
    group, rest = ("", parts[2:]) if parts[0] == "api" else ("".join(parts[1:2]), parts[3:])
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        rest = rest[2:]
    if not rest:
        return set()
    if verb == "get" and len(rest) == 1:
        verb = "list"
    return {(verb, "/".join([group, rest[0], *rest[2:]]))}


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
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            self._answer("create", json.loads(self.rfile.read(length)))

        def do_GET(self) -> None:
            self._answer("get", None)

        def _answer(self, verb: str, body: Tree | None) -> None:
            state.asked.append(self.path)
            parts = urlsplit(self.path)
            status, answer = refusal(401, "Unauthorized", "Unauthorized")
            if state.token in (None, self.headers.get("Authorization", "").removeprefix("Bearer ")):
                state.calls |= called(verb, parts.path)
                if body is None:
                    status, answer = state.answer(parts.path, parse_qs(parts.query))
                else:
                    assert parse_qs(parts.query) == {"dryRun": ["All"]}
                    state.posted.append(body)
                    status, answer = state.admission
                    if "/closed/" in parts.path:
                        said = 'User "u" cannot create resource "pods"'
                        status, answer = refusal(403, "Forbidden", said)
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
