"""Stands in for Kubernetes with Kubeflow Trainer and Kueue: TrainJobs are stored, timelines played.

A TrainJob that its owner's schema does not take is refused (`k8s.custom_kinds`, where there are
schemas). A timeline is what the controllers were recorded to do with a TrainJob after its creation:
events of the job, its pods and Workload, in order. The server gives them a version each and sends
them to whoever watches. It drops a connection or forgets versions when told to.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest

from judgeloop.cluster import own_pod
from judgeloop.runtime.holder_pod import NAME, UID
from judgeloop.runtime.progress import FILE_VARIABLE
from k8s.custom_kinds import violations
from tests.conftest import REPOSITORY
from tests.kubernetes_api import refusal
from tests.pod import TOKEN, write_authority

Tree = dict[str, Any]
RECORDED = REPOSITORY.parent / "shared" / "cases" / "cluster" / "trainjob"
COLLECTIONS = {"TrainJob": "trainjobs", "Pod": "pods", "Event": "events", "Workload": "workloads"}
LONGEST_NAME = 48
"""JobSet 0.12 takes longer ones and never starts them."""
OWN_POD = {
    "metadata": {"name": "loop-train-1", "ownerReferences": [
        {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "loop-x7", "uid": "w-1",
         "controller": True, "blockOwnerDeletion": True},
    ]},
    "spec": {"serviceAccountName": "pipeline-runner"},
}  # fmt: skip


class Step(NamedTuple):
    """Something that the controllers do."""

    kind: str
    event: str
    object: Tree
    after_s: float = 0.0
    """Since the step before it."""


Timeline = list[Step | Callable[[Tree], None]]
"""Steps, and functions that are called with the job where its pod would run."""


def status(**nodes: int) -> Tree:
    """The status of a job that waits or runs."""
    zero = dict.fromkeys(("active", "failed", "ready", "succeeded", "suspended"), 0)
    return {"status": {"jobsStatus": [{"name": "node", **zero, **nodes}]}}


def condition(kind: str, state: str, reason: str, message: str = "", **nodes: int) -> Tree:
    """The status of a job with a condition."""
    found = status(**nodes)
    found["status"]["conditions"] = [
        {"type": kind, "status": state, "reason": reason, "message": message}
    ]
    return found


def pod(number: int = 0, **status: Any) -> Tree:
    """A pod of the job."""
    return {"metadata": {"name": f"NAME-node-0-0-{number}",
                         "labels": {"jobset.sigs.k8s.io/jobset-name": "NAME"}},
            "status": status}  # fmt: skip


def terminated(code: int, message: str = "", reason: str = "Error", number: int = 0) -> Tree:
    """A pod whose container has ended."""
    end = {"exitCode": code, "reason": reason} | ({"message": message} if message else {})
    return pod(number, phase="Failed" if code else "Succeeded",
               containerStatuses=[{"name": "node", "state": {"terminated": end}}])  # fmt: skip


def recorded(name: str, scale: float) -> Timeline:
    """A recorded timeline, up to where the job was deleted by hand.

    Args:
        name: Of the recording.
        scale: Factor of its time.
    """
    path = RECORDED / f"{name}.ndjson"
    if not path.is_file():
        pytest.skip(f"no recorded answers of a cluster in {RECORDED}")
    made: Timeline = []
    before = 0.0
    for line in path.read_text().splitlines():
        found = json.loads(line.replace(f'"{name}', '"NAME').replace(f"trainjob-{name}", "NAME"))
        if (found["kind"], found["event"]) == ("TrainJob", "DELETED"):
            break
        if (found["kind"], found["event"]) != ("TrainJob", "ADDED"):
            wait = (found["seconds"] - before) * scale
            made.append(Step(found["kind"], found["event"], found["object"], wait))
            before = found["seconds"]
    return made


class TrainerApi:
    """The server's state."""

    def __init__(self) -> None:
        self.timelines: list[Timeline] = []
        """What happens to the jobs that are created, one after the other."""
        self.objects: dict[tuple[str, str], Tree] = {("pods", "loop-train-1"): OWN_POD}
        self.log: list[tuple[int, str, str, Tree]] = []
        self.forgotten = 0
        """Versions up to this one are answered with 410."""
        self.refusals: list[tuple[int, Tree]] = []
        """Answers to the next creations, before one is taken."""
        self.created: list[Tree] = []
        self.deleted: list[str] = []
        self.queries: list[tuple[str, str, dict[str, list[str]]]] = []
        self.watches_end_after: int | None = None
        """Events after which a watch's connection is cut; None: none is."""
        self.changed = threading.Condition()
        self.ended = threading.Event()
        """Set at the end of the test: watches end, and timelines go no further."""
        self._version = 100

    def put(self, event: str, collection: str, found: Tree) -> None:
        """Stores an object and tells it to watches."""
        with self.changed:
            self._version += 1
            found["metadata"]["resourceVersion"] = str(self._version)
            name = found["metadata"]["name"]
            if event == "DELETED":
                self.objects.pop((collection, name), None)
            else:
                self.objects[collection, name] = found
            self.log.append((self._version, collection, event, json.loads(json.dumps(found))))
            self.changed.notify_all()

    def create(self, document: Tree, query: dict[str, list[str]]) -> tuple[int, Tree]:
        """Answers a creation and begins its timeline."""
        if self.refusals:
            return self.refusals.pop(0)
        name = document["metadata"]["name"]
        if ("trainjobs", name) in self.objects:
            return refusal(409, "AlreadyExists", f'trainjobs "{name}" already exists')
        if found := list(violations(document)):
            return refusal(400, "BadRequest", f"strict decoding error: {'; '.join(found)}")
        if query.get("fieldValidation") != ["Strict"]:
            del document["spec"]["trainer"]["env"]  # whatever it does not know is dropped silently
        document["metadata"] |= {"uid": f"uid-{len(self.created)}"}
        self.created.append(document)
        self.put("ADDED", "trainjobs", document)
        if len(name) <= LONGEST_NAME and self.timelines:
            timeline = self.timelines.pop(0)
            threading.Thread(target=self._play, args=(document, timeline), daemon=True).start()
        return 201, document

    def _play(self, job: Tree, timeline: Timeline) -> None:
        name, uid = job["metadata"]["name"], job["metadata"]["uid"]
        for step in timeline:
            if not isinstance(step, Step):
                step(job)
                continue
            if self.ended.wait(step.after_s):
                return
            with self.changed:
                there = self.objects.get(("trainjobs", name), {}).get("metadata", {}).get("uid")
            if there != uid:
                return
            found = json.loads(json.dumps(step.object).replace("NAME", name))
            if step.kind == "TrainJob":
                spec = job["spec"] | {"suspend": found.get("spec", {}).get("suspend", False)}
                found = {**job, "spec": spec, "status": found.get("status")}
            for owner in found["metadata"].get("ownerReferences", []):
                if owner["kind"] == "TrainJob":
                    owner["uid"] = uid
            self.put(step.event, COLLECTIONS[step.kind], found)

    def delete(self, collection: str, name: str) -> tuple[int, Tree]:
        """Deletes an object, and a job's pods with it."""
        found = self.objects.get((collection, name))
        if found is None:
            return refusal(404, "NotFound", f'{collection} "{name}" not found')
        self.deleted.append(name)
        self.put("DELETED", collection, found)
        for key, each in list(self.objects.items()):
            if key[0] == "pods" and key[1].startswith(f"{name}-"):
                self.put("DELETED", "pods", each)
        return 200, {"kind": "Status", "status": "Success"}

    def answer_list(self, collection: str, query: dict[str, list[str]]) -> Tree:
        """Answers a list."""
        items = [each for (kind, _), each in self.objects.items() if kind == collection]
        items = [each for each in items if _picked(each, query)]
        return {"kind": "List", "metadata": {"resourceVersion": str(self._version)}, "items": items}

    def events(self, collection: str, query: dict[str, list[str]]) -> Iterator[Tree]:
        """Yields the events of a watch until its connection is cut."""
        seen, sent = int(query["resourceVersion"][0]), 0
        if seen < self.forgotten:
            yield {"type": "ERROR", "object": {
                "kind": "Status", "code": 410, "reason": "Expired",
                "message": f"too old resource version: {seen} ({self._version})",
            }}  # fmt: skip
            return
        while not self.ended.is_set():
            with self.changed:
                self.changed.wait(0.2)
                news = [each for each in self.log if each[0] > seen]
            for version, kind, event, found in news:
                seen = version
                if kind == collection and _picked(found, query):
                    yield {"type": event, "object": found}
                    sent += 1
                    if self.watches_end_after is not None and sent >= self.watches_end_after:
                        return


def _picked(found: Tree, query: dict[str, list[str]]) -> bool:
    metadata = found["metadata"]
    for selector in query.get("fieldSelector", []):
        if selector != f"metadata.name={metadata['name']}":
            return False
    for selector in query.get("labelSelector", []):
        key, _, value = selector.partition("=")
        if metadata.get("labels", {}).get(key) != value:
            return False
    return True


@contextmanager
def serving(state: TrainerApi, folder: Path) -> Iterator[int]:
    """Serves a state over TLS on the loopback; yields the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query)
            collection, name = _place(parts.path)
            watched = "watch" in query
            state.queries.append(("watch" if watched else "get" if name else "list",
                                  collection, query))  # fmt: skip
            if name:
                found = state.objects.get((collection, name))
                self._answer(*((200, found) if found else refusal(404, "NotFound", "not found")))
            elif watched:
                self._stream(collection, query)
            else:
                self._answer(200, state.answer_list(collection, query))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            parts = urlsplit(self.path)
            state.queries.append(("create", _place(parts.path)[0], parse_qs(parts.query)))
            self._answer(*state.create(body, parse_qs(parts.query)))

        def do_DELETE(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            collection, name = _place(urlsplit(self.path).path)
            state.queries.append(("delete", collection, {}))
            self._answer(*state.delete(collection, name))

        def _answer(self, code: int, body: Tree) -> None:
            assert self.headers["Authorization"] == f"Bearer {TOKEN}"
            data = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _stream(self, collection: str, query: dict[str, list[str]]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            for event in state.events(collection, query):
                self.wfile.write(json.dumps(event).encode() + b"\n")
                self.wfile.flush()

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Nothing: clients hang up."""

    tls = write_authority(folder)
    with Server(("127.0.0.1", 0), Handler) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def _place(path: str) -> tuple[str, str]:
    """Collection and name that a path of the API leads to."""
    parts = path.strip("/").split("/")
    rest = parts[parts.index("namespaces") + 2 :]
    return rest[0], "/".join(rest[1:])


@pytest.fixture
def trainer_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TrainerApi]:
    """The server, and this process as if it were the pod of a training task."""
    account = tmp_path / "serviceaccount"
    state = TrainerApi()
    with serving(state, account) as port:
        (account / "token").write_text(TOKEN)
        (account / "namespace").write_text("team")
        monkeypatch.setattr(own_pod, "ACCOUNT", account)
        monkeypatch.setenv(own_pod.IN_POD, "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(port))
        monkeypatch.setenv(NAME, "loop-train-1")
        monkeypatch.setenv(UID, "u-1")
        monkeypatch.delenv(FILE_VARIABLE, raising=False)
        yield state
        state.ended.set()
