"""A proxy on the loopback that misbehaves on demand, before a real server of HTTP.

It passes requests on to the server and answers back. A `Fault` says which of them go wrong, and
how: the server never answers, late, with an error or with other bytes, or the connection is cut in
the middle of a body. So what a test sees is what sockets and HTTP libraries really do.
"""

import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

ALWAYS = 1_000_000
STALL_S = 5.0
_OF_THE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass
class Fault:
    """What goes wrong with the requests that it fits, `times` of them."""

    method: str = ""
    """Such as `PUT`; empty fits all."""
    path: str = ""
    """A regular expression that is searched for in the path with its query."""
    times: int = ALWAYS
    status: int | None = None
    """The proxy answers with this status, and the server never hears of the request."""
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    """Seconds before the request is passed on."""
    cut_request_at: int | None = None
    """The connection is cut when so many bytes of the request's body have come."""
    cut_answer_at: int | None = None
    """The server does it all, but the connection is cut after so many bytes of its answer's body;
    -1: before the answer's first line, so that the answer is lost."""
    stall_answer_at: int | None = None
    """After so many bytes of the answer's body nothing more comes for some seconds."""
    change_request: bool = False
    """A byte in the middle of the request's body is another one."""
    change_answer: bool = False
    met: int = 0
    """Requests that it has hit."""

    def fits(self, method: str, path: str) -> bool:
        return (
            self.met < self.times
            and self.method in ("", method)
            and re.search(self.path, path) is not None
        )


class Request(NamedTuple):
    """What came to the proxy."""

    method: str
    path: str
    """With its query."""
    headers: dict[str, str]
    """By name in lower case."""
    body: bytes


class FaultProxy:
    """The proxy; `faults` may be changed at any time, the first that fits is taken."""

    def __init__(self, target: str, tls: ssl.SSLContext | None = None) -> None:
        self.target = target
        self._tls = tls
        self.faults: list[Fault] = []
        self.check: Callable[[Request], tuple[int, bytes] | None] = lambda _: None
        """Looks at each request before the server does; may answer in its place."""
        self.place: Callable[[Request], str] = lambda request: request.path
        """The path under which the server is asked."""
        self.hidden: set[str] = set()
        """Headers (in lower case) that are taken out of the server's answers."""
        self.requests: list[str] = []
        """`METHOD path` of everything that came, in order."""
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Listen: on a free port the first time, on the same one again later."""
        proxy = self

        class Handler(_Handler):
            faults = proxy

        self._server = _Server(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_address[1]
        if self._tls is not None:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        # A short poll: the default makes every stop half a second long.
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def stop(self) -> None:
        """Refuse connections from now on."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def break_with(self, **what: object) -> Fault:
        """Add a fault and return it, so that a test can see how often it was met."""
        fault = Fault(**what)  # type: ignore[arg-type]
        self.faults.append(fault)
        return fault

    def heal(self) -> None:
        self.faults.clear()

    def count(self, pattern: str) -> int:
        """How many requests fit a regular expression, as `METHOD path`."""
        return sum(re.search(pattern, request) is not None for request in self.requests)

    def fault_for(self, method: str, path: str) -> Fault | None:
        with self._lock:
            self.requests.append(f"{method} {path}")
            for fault in self.faults:
                if fault.fits(method, path):
                    fault.met += 1
                    return fault
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that goes away is what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    faults: FaultProxy

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        self.close_connection = True  # one request a connection keeps every fault to its request
        fault = self.faults.fault_for(self.command, self.path) or Fault()
        body = self._body(fault.cut_request_at)
        if fault.cut_request_at is not None or body is None:
            return self._cut()
        if fault.delay_s:
            time.sleep(fault.delay_s)
        if fault.status is not None:
            return self._answer(fault.status, fault.headers, fault.body, fault)
        status, headers, answer = self._served(_changed(body) if fault.change_request else body)
        if fault.cut_answer_at == -1:
            return self._cut()
        self._answer(status, headers, _changed(answer) if fault.change_answer else answer, fault)

    def _body(self, limit: int | None) -> bytes | None:
        """Reads the request's body; None if its client went away before the end.

        What was announced and did not come is never passed on as a whole: a server keeps no object
        whose request was cut, and passed on with its new length it would be one.
        """
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(iter(self._chunk, b""))
        length = int(self.headers.get("Content-Length", 0))
        wanted = length if limit is None else min(limit, length)
        body = self.rfile.read(wanted)
        return body if len(body) == wanted else None

    def _chunk(self) -> bytes:
        data = self.rfile.read(int(self.rfile.readline().partition(b";")[0], 16))
        self.rfile.readline()
        return data

    def _served(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, body)
        refused = self.faults.check(request)
        if refused is not None:
            return refused[0], {}, refused[1]
        return self._pass_on(self.faults.place(request), body)

    def _pass_on(self, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(urlsplit(self.faults.target).netloc, timeout=60)
        try:
            connection.putrequest(self.command, path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in {*_OF_THE_CONNECTION, "expect", "host"}:
                    connection.putheader(name, value)
            moved = path != self.path
            connection.putheader("Host", connection.host if moved else self.headers["Host"])
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            data = answer.read()
            headers = {
                name: value
                for name, value in answer.getheaders()
                if name.lower() not in _OF_THE_CONNECTION | self.faults.hidden
            }
            length = answer.getheader("Content-Length") if self.command == "HEAD" else None
            return answer.status, headers | {"Content-Length": length or str(len(data))}, data
        finally:
            connection.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes, fault: Fault) -> None:
        self.send_response_only(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault.stall_answer_at is not None:
            self.wfile.write(body[: fault.stall_answer_at])
            return time.sleep(STALL_S)
        self.wfile.write(body if fault.cut_answer_at is None else body[: fault.cut_answer_at])

    def _cut(self) -> None:
        # Without lingering the other side gets a reset, as from a machine that went away.
        self.connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00"
        )
        with suppress(OSError):
            self.connection.close()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _changed(body: bytes) -> bytes:
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :] if body else body


@pytest.fixture
def fault_proxy() -> Iterator[type[FaultProxy]]:
    """Make proxies by `fault_proxy(url)`; they stop with the test."""
    made: list[FaultProxy] = []

    class Kept(FaultProxy):
        def __init__(self, target: str, tls: ssl.SSLContext | None = None) -> None:
            super().__init__(target, tls)
            made.append(self)

    yield Kept
    for proxy in made:
        proxy.stop()
