"""A small HTTP server of our own with the OpenAI API's form and with faults: no model, no vLLM.

`python tests/chat_server.py PORT_FILE LOG` answers every chat completion with what it was asked
(text, seed, images' hashes), and writes a line of JSON into LOG when a request comes and when it
goes. A word in the prompt makes it fail as a real server does:

| word | fault |
| --- | --- |
| `limited` | 429 with `Retry-After: 1`, the first time |
| `limited-for-ever` | 429 every time |
| `broken-once` | 500, the first time |
| `broken` | 500 every time |
| `cut` | the connection ends in the middle of the answer, the first time |
| `busy` | answers after 0.3 s |
| `slow` | answers after 30 s, the first time |
| `bad` | 400 |
| `filtered` | 200, ended by a content filter |
| `html` | 200 with a page |
| `uncounted` | no usage |
| `parts` | the text as a list of parts, reasoning among them |
| `reasoned` | no text, but reasoning beside it |
| `declined` | no text, but the model's refusal |
| `ended=WORD` | the finish reason WORD; `ended=` is null |
| `behind=CODE` | 200, whose body says that the server behind failed with CODE |
| `behind-once=CODE` | the same, the first time |
| `moved=URL` | 307 to URL |

A field `quirk` in a request makes it a service that refuses something: `max_tokens` wants
`max_completion_tokens`, `temperature` takes the default only.
"""

import hashlib
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

KEY = "sk-right"
SERVED = ["base", "adapter-0123456789abcdef"]
BUSY_S = 0.3
SLOW_S = 30.0
_lock = threading.Lock()
_seen: set[tuple[str, int]] = set()


class ChatServer(BaseHTTPRequestHandler):
    """Serves `/v1`; the rest is 404."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet, else each answer waits for an acknowledgement
    log_path: Path

    def do_GET(self) -> None:
        if not self._allowed():
            return
        if self.path == "/v1/models":
            self._send(200, {"object": "list", "data": [_model(name) for name in SERVED]})
        else:
            self._fail(404, "Not Found")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._allowed():
            return
        parts = body["messages"][0]["content"]
        (text,) = (part["text"] for part in parts if part["type"] == "text")
        images = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
        asked = {"text": text, "seed": body.get("seed"), "model": body["model"]}
        settings = {k: v for k, v in body.items() if k not in ("messages", "model", "seed")}
        shown = [part["type"] for part in parts]
        self._note(asked | {"event": "in", "settings": settings, "shown": shown})
        time.sleep(BUSY_S if "busy" in text.split() else 0)
        self._note(asked | {"event": "out"})  # before the answer, so never later than the next in
        self._answer(body, text, images)

    def _answer(self, body: dict[str, Any], text: str, images: list[str]) -> None:
        first = self._first_time(text, body.get("seed", 0))
        words = text.split()
        if refused := _refusal(body):
            self._fail(400, refused)
        elif moved := _value("moved", words):
            self._send(307, "", {"Location": moved})
        elif code := _value("behind", words) or (first and _value("behind-once", words)):
            error = {"message": "upstream failed", "code": int(code) if code.isdigit() else code}
            self._send(200, {"error": error})
        elif "limited-for-ever" in words or ("limited" in words and first):
            self._fail(429, "too many requests", {"Retry-After": "1"})
        elif "broken" in words or ("broken-once" in words and first):
            self._fail(500, "out of luck")
        elif "bad" in words or body.get("top_k") == 7:
            self._fail(400, f"prompt refused; your key is {KEY}" if "bad" in words else "top_k?")
        elif "html" in words:
            self._send(200, "<html>", kind="text/html")
        elif "cut" in words and first:
            self._send(200, _completion(body, text, images), cut=True)
        else:
            if "slow" in words and first:
                time.sleep(SLOW_S)
            self._send(200, _completion(body, text, images))

    def _first_time(self, text: str, seed: int) -> bool:
        with _lock:
            known = (text, seed) in _seen
            _seen.add((text, seed))
        return not known

    def _allowed(self) -> bool:
        if self.headers.get("Authorization") == f"Bearer {KEY}":
            return True
        self._fail(401, f"Incorrect API key provided: {self.headers.get('Authorization')}")
        return False

    def _fail(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        self._send(status, {"error": {"message": message}}, headers)

    def _send(
        self,
        status: int,
        body: Any,
        headers: dict[str, str] | None = None,
        kind: str = "application/json",
        cut: bool = False,
    ) -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in ({"Content-Type": kind} | (headers or {})).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self.close_connection = True

    def _note(self, entry: dict[str, Any]) -> None:
        with _lock, self.log_path.open("a") as log:
            log.write(json.dumps(entry) + "\n")

    def log_message(self, format: str, *args: object) -> None:
        """Is silent."""


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "test"}


def _completion(body: dict[str, Any], text: str, images: list[str]) -> dict[str, Any]:
    pictures = [hashlib.sha256(url.encode()).hexdigest()[:8] for url in images]
    answer = " ".join([text, str(body.get("seed")), body["model"], *pictures])
    words = answer.split()
    limit = body.get("max_tokens") or body["max_completion_tokens"]
    cut = len(words) > limit
    reason = "content_filter" if "filtered" in text.split() else "length" if cut else "stop"
    message: dict[str, Any] = {"role": "assistant", "content": " ".join(words[:limit])}
    completion = {
        "id": "c",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {
            "prompt_tokens": len(text.split()) + 9 * len(images),
            "completion_tokens": min(len(words), limit),
            "total_tokens": 0,
        },
    }
    _bend(completion, words)
    return completion


def _bend(completion: dict[str, Any], words: list[str]) -> None:
    """Writes a completion as some servers do."""
    choice = completion["choices"][0]
    message = choice["message"]
    if (ended := _value("ended", words)) is not None:
        choice["finish_reason"] = ended or None
    if "parts" in words:
        half = len(message["content"]) // 2
        message["content"] = [
            {"type": "thinking", "thinking": "hm"},
            {"type": "text", "text": message["content"][:half]},
            {"type": "text", "text": message["content"][half:]},
        ]
    if "reasoned" in words:
        message |= {"content": None, "reasoning_content": "Let me see."}
    if "declined" in words:
        message |= {"content": None, "refusal": "I cannot help with that."}
    if "uncounted" in words:
        del completion["usage"]


def _value(name: str, words: list[str]) -> str | None:
    """What follows `name=` in a prompt; None where it is not there."""
    return next((word.partition("=")[2] for word in words if word.startswith(f"{name}=")), None)


def _refusal(body: dict[str, Any]) -> str | None:
    """What a service with a quirk says to a request."""
    quirk = body.get("quirk")
    if quirk == "max_tokens" and "max_tokens" in body:
        return (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead."
        )
    if quirk == "temperature" and body.get("temperature", 1) != 1:
        return "Unsupported value: 'temperature' does not support 0. Only the default (1) is."
    return None


if __name__ == "__main__":
    ChatServer.log_path = Path(sys.argv[2])
    server = ThreadingHTTPServer(("127.0.0.1", 0), ChatServer)
    port_file = Path(sys.argv[1])
    port_file.with_suffix(".new").write_text(str(server.server_port))
    os.replace(port_file.with_suffix(".new"), port_file)
    server.serve_forever()
