"""The HTTP server: `/v1/models`, `/v1/chat/completions` and `/health`, on the standard library."""

from __future__ import annotations

import hmac
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from judgeloop.runtime.redaction import shown
from judgeloop.schema.errors import ConfigError, DataError
from judgeloop.serve.dispatcher import Dispatcher
from judgeloop.serve.protocol import RefusedError, completion, models, read_request

MAX_BODY = 64 * 2**20
"""Bytes of a request; images are in it."""
_CHAT, _MODELS, _HEALTH = "/v1/chat/completions", "/v1/models", "/health"
_log = logging.getLogger(__name__)


class JudgeServer(ThreadingHTTPServer):
    """Serves one judge.

    Args:
        address: Host and port; port 0 takes a free one.
        dispatcher: Runs the requests.
        names: Names under which the judge is served.
        key: What a client must send as a bearer token; None asks for none.

    Raises:
        ConfigError: The address cannot be used.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        dispatcher: Dispatcher,
        names: tuple[str, ...],
        key: str | None,
    ) -> None:
        self.dispatcher, self.names, self.key = dispatcher, names, key
        try:
            super().__init__(address, _Handler)
        except OSError as error:
            raise ConfigError(
                f"--host {address[0]} --port {address[1]}: cannot be served on "
                f"({error.strerror}); choose another port"
            ) from error

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Serves in a thread during a block; yields the base of the API's address."""
        thread = threading.Thread(target=self.serve_forever, daemon=True, name="http")
        thread.start()
        host, port = self.server_address[:2]
        try:
            yield f"http://{host!s}:{port}/v1"
        finally:
            self.dispatcher.end()
            self.shutdown()
            self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: JudgeServer
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet, else each answer waits for an acknowledgement
    timeout = 600

    def do_GET(self) -> None:
        if self.path == _HEALTH:
            self._send(200, {"status": "ok"})
        else:
            self._answer(self._models)

    def do_POST(self) -> None:
        self._answer(self._chat)

    def _answer(self, work: Any) -> None:
        try:
            self._check_key()
            self._send(200, work())
        except RefusedError as error:
            self._fail(error.status, str(error))
        except DataError as error:
            self._fail(400, str(error))
        except Exception:
            _log.exception("a request failed")
            self._fail(500, "the server failed; its log says why")

    def _models(self) -> dict[str, Any]:
        if self.path != _MODELS:
            raise RefusedError(404, f"no such page; there are {_MODELS} and {_CHAT}")
        return models(self.server.names)

    def _chat(self) -> dict[str, Any]:
        body = self._body()
        if self.path != _CHAT:
            raise RefusedError(404, f"no such page; there are {_MODELS} and {_CHAT}")
        asked = read_request(body, self.server.names)
        number, response = self.server.dispatcher.ask(asked)
        return completion(asked, number, response)

    def _body(self) -> bytes:
        """Reads the body.

        Raises:
            RefusedError: It is too large, has no length, or is of another type: a web page may send
                plain text to any address, but JSON only if CORS allows it.
        """
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BODY:
            self.close_connection = True  # unread bytes would be parsed as the next request
            raise RefusedError(413, f"give a Content-Length of at most {MAX_BODY} bytes")
        body = self.rfile.read(int(length))
        if self.headers.get_content_type() != "application/json":
            raise RefusedError(415, "the Content-Type must be application/json")
        return body

    def _check_key(self) -> None:
        key = self.server.key
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if key is not None and not hmac.compare_digest(given.encode(), key.encode()):
            self.close_connection = True
            raise RefusedError(401, "the key is missing or wrong: send it as a bearer token")

    def _fail(self, status: int, message: str) -> None:
        kind = "invalid_request_error" if status < 500 else "server_error"
        self._send(status, {"error": {"message": message, "type": kind}})

    def _send(self, status: int, answer: dict[str, Any]) -> None:
        data = msgspec.json.encode(answer)
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            self.wfile.flush()
        except OSError:  # the client has disconnected
            self.close_connection = True

    def log_message(self, format: str, *arguments: Any) -> None:
        """Logs a request without its content."""
        _log.info("%s", shown(format % arguments))
