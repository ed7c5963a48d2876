"""A server that speaks KFP's v2beta1 API and runs what is submitted with KFP's local runner.

`python -m tests.kfp_server FOLDER` prints its port. A run is `python -m pipelines.local` in a
process group of its own, on the very file that was uploaded. What Kubernetes, Argo and KFP's
launcher do is not there. Where a real server was recorded, this one behaves like it: a new run has
no state at first; tasks are Argo's nodes, several for each, some without name or state, and their
list freezes; there are no error texts; a run that is cancelled ends as FAILED, and its exit handler
is started all the same. `FOLDER/control.json` plants trouble while it runs (`Control`), and
`FOLDER/exchanges.jsonl` keeps every request and answer for the check by the API's contract.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import uuid
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from judgeloop.runtime.progress import FILE_VARIABLE
from pipelines.local import PROCESSES, environment
from tests.kfp_answers import nameless, new_run, node, now

API = "/apis/v2beta1"
ACTIVE = ("PENDING", "RUNNING", "CANCELING")
HEALTH = {"commit_sha": "0" * 40, "tag_name": "2.17.0", "multi_user": False,
          "pipeline_store": "database"}  # fmt: skip
"""What the API server of that release answers."""
STATELESS_LOOKS = 2
"""Answers about a new run that tell no state: seconds, until its Workflow is first reported."""
FROZEN_AFTER = 6
"""Lines of the local runner's log after which the list of tasks stands still."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_TASK = re.compile(
    r"(\d\d:\d\d:\d\d\.\d+) - (?:INFO|ERROR) - (?:Executing task '([^']+)'|"
    r"Task '([^']+)' finished with status (\w+))"
)
Tree = dict[str, Any]


class Refusal(Exception):
    """An answer that is no success: an HTTP status, a gRPC code and a message."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.body = status, {"code": code, "message": message, "details": []}


class Running:
    """One run: the file that was uploaded, in a child process."""

    def __init__(self, folder: Path, run: Tree, package: bytes, execute: bool) -> None:
        self.run, self._folder = run, folder
        self._child: subprocess.Popen[bytes] | None = None
        self._looks = 0
        folder.mkdir(parents=True)
        (folder / "package.yaml").write_bytes(package)
        (folder / "arguments.json").write_text(json.dumps(run["runtime_config"]["parameters"]))
        self._set("PENDING")
        if execute:
            self._start()
        else:
            self._set("RUNNING")

    def _start(self) -> None:
        (self._folder / "mlflow").mkdir(exist_ok=True)
        program = [sys.executable, "-m", "pipelines.local"]
        command = [*program, "package.yaml", "arguments.json", "kfp", PROCESSES]
        variables = environment(self._folder)
        del variables[FILE_VARIABLE]  # a cluster's tasks have nobody who watches this file
        with (self._folder / "run.log").open("wb") as log:
            self._child = subprocess.Popen(
                command, cwd=self._folder, stdout=log, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, env=variables, start_new_session=True,
            )  # fmt: skip
        self._set("RUNNING")

    def look(self) -> Tree:
        """The run as it is now; the first answers tell no state."""
        self._looks += 1
        if self._child and self.run["state"] in ACTIVE and self._child.poll() is not None:
            succeeded = self.run["state"] != "CANCELING" and self._child.returncode == 0
            self._set("SUCCEEDED" if succeeded else "FAILED")
        if self._looks <= STATELESS_LOOKS and self.run["state"] in ACTIVE:
            shown = {key: value for key, value in self.run.items() if key != "state"}
            first = self.run["state_history"][0]
            return {**shown, "state_history": [first, {"update_time": first["update_time"]}]}
        self.run["run_details"] = {"task_details": self._tasks()}
        return self.run

    def end(self) -> None:
        """Ends the run as Kubeflow does: pods are killed, then the exit handler is started."""
        self._set("CANCELING")
        if self._child is None:
            self._set("FAILED")
        elif self._child.poll() is None:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()
            given = self.run["runtime_config"]["parameters"]
            code = (
                "import sys; from judgeloop.runtime import tasks; given = sys.argv[1:3]; "
                "tasks.report(*given, 'page.html'); tasks.go_on(*given, sys.argv[3])"
            )
            variables = environment(self._folder)
            del variables[FILE_VARIABLE]
            self._child = subprocess.Popen(
                [sys.executable, "-c", code, given["config"], given["loop_id"],
                 self.run["run_id"]],
                cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                stdin=subprocess.DEVNULL, env=variables, start_new_session=True,
            )  # fmt: skip

    def _set(self, state: str) -> None:
        self.run["state"] = state
        self.run.setdefault("state_history", []).append({"update_time": now(), "state": state})
        if state not in ACTIVE:
            self.run["finished_at"] = now()

    def _tasks(self) -> list[Tree]:
        """Argo's nodes: of the run itself, and of the tasks, from the log of the local runner."""
        log = self._folder / "run.log"
        text = _COLOUR.sub("", log.read_text(errors="replace")) if log.exists() else ""
        run_id, at = self.run["run_id"], self.run["created_at"]
        under_way = ("judge-loop-x", "judge-loop-x(0)", "root")
        done = ("root-driver(0)", "root-driver")
        found = [
            *(node(run_id, "", name, "RUNNING", at) for name in under_way),
            *(node(run_id, "", name, "SUCCEEDED", at, at) for name in done),
        ]
        for number, (_, task, ended, _status) in enumerate(_TASK.findall(text)):
            if ended or number >= FROZEN_AFTER:
                continue
            found += [
                node(run_id, task, f"{task}-driver(0)", "SUCCEEDED", at, at),
                *(node(run_id, task, name, "RUNNING", at) for name in (f"{task}(0)", task)),
                node(run_id, task, "executor", "RUNNING", at),
                node(run_id, task, "executor(0)", "PENDING", at),
                nameless(run_id, task, at),
            ]
        return found


class State:
    """All that the server knows."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lock = folder, threading.Lock()
        self.pipelines: dict[str, Tree] = {}
        self.versions: dict[str, tuple[Tree, bytes]] = {}
        self.experiments: dict[str, Tree] = {}
        self.runs: dict[str, Running] = {}

    def control(self) -> Tree:
        """`token`, `cookie`: the only ones that are let in; `away`: so many requests get 503;
        `lost`: so many starts of runs are done and answered 503; `too_large`: etcd refuses runs;
        `execute`: run for real;
        `health`: the answer of the health check."""
        path = self.folder / "control.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def use_up(self, name: str) -> bool:
        """Whether one more of a planted kind of trouble is due."""
        control = self.control()
        left = control.get(name, 0)
        if left:
            (self.folder / "control.json").write_text(json.dumps({**control, name: left - 1}))
        return bool(left)

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Tree:
        """What a request is answered; see the API's own document."""
        route = path.removeprefix(API)
        if route == "/healthz":
            return self.control().get("health", HEALTH)
        if route == "/experiments":
            if method == "POST":
                return self._add(self.experiments, "experiment_id", body)
            return {"experiments": _chosen(self.experiments.values(), query)}
        if route == "/pipelines":
            if method == "POST":
                return self._add(self.pipelines, "pipeline_id", body)
            return {"pipelines": _chosen(self.pipelines.values(), query)}
        if route == "/pipelines/upload_version":
            version = {"pipeline_id": query["pipelineid"], "display_name": query["display_name"],
                       "name": query["name"]}  # fmt: skip
            made = self._add({}, "pipeline_version_id", version)
            self.versions[made["pipeline_version_id"]] = (made, body)
            return made
        if found := re.fullmatch(r"/pipelines/([^/]+)/versions", route):
            mine = [v for v, _ in self.versions.values() if v["pipeline_id"] == found[1]]
            return {"pipeline_versions": _chosen(mine, query)}
        if route == "/runs":
            return self._start(body) if method == "POST" else self._list_runs(query)
        if found := re.fullmatch(r"/runs/([^/:]+)(:terminate)?", route):
            if found[1] not in self.runs:
                raise Refusal(404, 5, f"run {found[1]} not found")
            if found[2]:
                self.runs[found[1]].end()
                return {}
            return self.runs[found[1]].look()
        raise Refusal(404, 5, f"{method} {path}: not found")

    def _add(self, table: dict[str, Tree], key: str, given: Tree) -> Tree:
        name = given["display_name"]
        if any(each["display_name"] == name for each in table.values()):
            raise Refusal(409, 6, f"{name} already exists")
        made = {**given, key: str(uuid.uuid4()), "created_at": now()}
        table[made[key]] = made
        return made

    def _start(self, body: Tree) -> Tree:
        run_id = str(uuid.uuid4())
        reference = body["pipeline_version_reference"]
        version, package = self.versions[reference["pipeline_version_id"]]
        assert version["pipeline_id"] == reference["pipeline_id"]
        run = new_run(body, run_id)
        execute = self.control().get("execute", True)
        self.runs[run_id] = Running(self.folder / "runs" / run_id, run, package, execute)
        if self.control().get("too_large"):
            del self.runs[run_id]
            raise Refusal(500, 13, "Failed to create a run: etcdserver: request is too large")
        if self.use_up("lost"):
            raise Refusal(503, 14, "the answer was lost")
        return self.runs[run_id].look()

    def _list_runs(self, query: dict[str, str]) -> Tree:
        runs = [running.look() for running in reversed(self.runs.values())]
        wanted = query.get("experiment_id")
        mine = [run for run in runs if wanted in (None, run["experiment_id"])]
        return {"runs": _chosen(mine, query)}


def _chosen(items: Any, query: dict[str, str]) -> list[Tree]:
    """The items that an API filter lets through."""
    predicates = json.loads(query.get("filter", "{}")).get("predicates", [])
    return [
        item for item in items
        if all(_passes(each, item.get(each["key"], "")) for each in predicates)
    ]  # fmt: skip


def _passes(predicate: Tree, value: str) -> bool:
    substring = 9
    if predicate["operation"] == substring:
        return predicate["stringValue"] in value
    return value == predicate["stringValue"]


class Handler(BaseHTTPRequestHandler):
    """Reads a request, answers it and writes both down."""

    state: State

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: all is in exchanges.jsonl."""

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = self.headers.get("Content-Type", "")
        multipart = kind.startswith("multipart/form-data")
        body = _upload(kind, raw) if multipart else json.loads(raw) if raw else None
        with self.state.lock:
            try:
                self._let_in()
                status, answer = 200, self.state.answer(self.command, parts.path, query, body)
            except Refusal as refusal:
                status, answer = refusal.status, refusal.body
            exchange = {"method": self.command, "path": parts.path, "query": query,
                        "body": {"uploadfile": len(body)} if multipart else body,
                        "status": status, "answer": answer}  # fmt: skip
            with (self.state.folder / "exchanges.jsonl").open("a") as file:
                file.write(json.dumps(exchange) + "\n")
            data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _let_in(self) -> None:
        if self.state.use_up("away"):
            raise Refusal(503, 14, "no healthy upstream")
        control = self.state.control()
        token, cookie = control.get("token"), control.get("cookie")
        if (token and self.headers.get("Authorization") != f"Bearer {token}") or (
            cookie and self.headers.get("Cookie") != cookie
        ):
            raise Refusal(401, 16, "Request header error: there is no valid token")


def _upload(kind: str, raw: bytes) -> bytes:
    """The uploaded file of a multipart body."""
    message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + raw)
    (part,) = message.iter_parts()
    assert part.get_param("name", header="content-disposition") == "uploadfile"
    return part.get_payload(decode=True)


def main(folder: str) -> None:
    Handler.state = State(Path(folder).resolve())
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    try:
        server.serve_forever()
    finally:
        for running in Handler.state.runs.values():
            running.end()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    main(sys.argv[1])
