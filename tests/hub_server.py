"""A model hub on the loopback: data sets at commits and tags, as `huggingface_hub` asks."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

Revisions = Mapping[str, Path]
"""Folders by revision, of which each is a commit with a name."""


def commit_of(revision: str) -> str:
    """The commit that a revision names."""
    return hashlib.sha1(revision.encode(), usedforsecurity=False).hexdigest()


Commits = dict[tuple[str, str], tuple[str, Path]]
"""Commit and folder of a data set by its name and a revision."""


class Handler(BaseHTTPRequestHandler):
    """Answers for the data sets of `commits`, which a subclass names."""

    commits: Commits = {}  # noqa: RUF012 - of the subclass

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        if parts[:2] == ["api", "datasets"]:
            self._info("/".join(parts[2:4]), parts[4:6])
        elif parts[0] == "datasets" and parts[3] == "resolve":
            self._file("/".join(parts[1:3]), parts[4], "/".join(parts[5:]))
        else:
            self._missing("RepoNotFound")

    def _info(self, name: str, rest: list[str]) -> None:
        if len(rest) < 2 or (name, rest[1]) not in self.commits:
            self._missing("RevisionNotFound")
            return
        commit, folder = self.commits[name, rest[1]]
        files = [
            {"type": "file", "oid": commit, "size": path.stat().st_size,
             "path": path.relative_to(folder).as_posix()}
            for path in sorted(folder.rglob("*")) if path.is_file()
        ]  # fmt: skip
        about = {"id": name, "sha": commit, "private": False, "gated": False,
                 "disabled": False, "downloads": 0, "likes": 0, "tags": [],
                 "siblings": [{"rfilename": each["path"]} for each in files]}  # fmt: skip
        body = files if rest[0] == "tree" else about
        self._answer(json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _file(self, name: str, revision: str, file: str) -> None:
        commit, folder = self.commits.get((name, revision), ("", Path()))
        if not commit or not (folder / file).is_file():
            self._missing("EntryNotFound")
            return
        content = (folder / file).read_bytes()
        etag = hashlib.sha256(content).hexdigest()
        self._answer(content, {"ETag": f'"{etag}"', "X-Repo-Commit": commit})

    def _missing(self, code: str) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _answer(self, content: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(200)
        for header, value in headers.items():
            self.send_header(header, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


@contextmanager
def hub_server(data_sets: Mapping[str, Revisions]) -> Iterator[str]:
    """Serves data sets, by `owner/name`; gives the address for `HF_ENDPOINT`."""
    commits = {
        (name, found): (commit_of(revision), folder)
        for name, revisions in data_sets.items()
        for revision, folder in revisions.items()
        for found in (revision, commit_of(revision))
    }
    handler = type("Answers", (Handler,), {"commits": commits})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
