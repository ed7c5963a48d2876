"""A judge behind HTTP: what is answered, what is refused, and that the verdict is the same."""

import base64
import io
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image

from judgeloop import Judge
from judgeloop.cli.judge_selection import selected_engine
from judgeloop.cli.main import main
from judgeloop.cli.serve import _is_loopback
from judgeloop.engines.base import EngineDiedError
from judgeloop.schema.errors import DataError, EngineError
from judgeloop.schema.requests import Request, Response, Sample
from judgeloop.serve.dispatcher import Dispatcher
from judgeloop.serve.images import RequestImages
from judgeloop.serve.server import MAX_BODY, JudgeServer
from judgeloop.serve.start import open_dispatcher
from judgeloop.store import FolderStore, MissingObjectError

NAMES = ("base", "judge", "adapter-0123456789abcdef")
KEY = "the key"


def picture(colour: str = "red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(buffer, "PNG")
    return buffer.getvalue()


def data_uri(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


class Echo:
    """An engine that answers with what it was asked, and fails where the text says so."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.images: RequestImages | None = None

    def has_room(self) -> bool:
        return len(self.asked) < 2

    def submit(self, number: int, request: Request) -> None:
        self.asked.append(request)

    def poll(self) -> list[tuple[int, Response]]:
        assert self.images is not None
        made = []
        for request in self.asked:
            if request.text == "die":
                raise EngineDiedError("the engine died")
            if request.text == "fail":
                self.asked.clear()
                raise EngineError("the engine failed")
            sizes = [self.images.open(name).size for name in request.images]
            text = f"{request.text} {sizes} adapter={request.use_adapter} seed={request.seed}"
            sample = Sample(text=text, finish_reason="stop", tokens=3)
            error = "the prompt is too long" if request.text == "long" else None
            samples = () if error else (sample,) * request.n
            made.append((int(request.id), Response(id=request.id, samples=samples, error=error)))
        self.asked.clear()
        return made

    def close(self) -> None:
        return


class Client:
    """Asks a server as any program would."""

    def __init__(self, url: str, key: str | None = KEY) -> None:
        self.url, self.key = url, key

    def get(self, path: str) -> tuple[int, Any]:
        return self._send(urllib.request.Request(self.url + path))

    def post(self, kind: str = "application/json", **body: Any) -> tuple[int, Any]:
        asked = urllib.request.Request(
            f"{self.url}/chat/completions", json.dumps(body).encode(), {"Content-Type": kind}
        )
        return self._send(asked)

    def chat(self, text: str, *images: str, **more: Any) -> tuple[int, Any]:
        parts = [{"type": "image_url", "image_url": {"url": url}} for url in images]
        content = [*parts, {"type": "text", "text": text}]
        given = {"model": "judge", "messages": [{"role": "user", "content": content}]}
        return self.post(**(given | more))

    def _send(self, asked: urllib.request.Request) -> tuple[int, Any]:
        if self.key is not None:
            asked.add_header("Authorization", f"Bearer {self.key}")
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    engine, images = Echo(), RequestImages(FolderStore(tmp_path), 100)
    engine.images = images
    dispatcher = Dispatcher(engine, images)
    worker = threading.Thread(target=lambda: _work(dispatcher), daemon=True)
    worker.start()
    with JudgeServer(("127.0.0.1", 0), dispatcher, NAMES, KEY).serving() as url:
        yield Client(url)
    worker.join(10)
    assert not worker.is_alive()
    assert not images._held  # nothing is kept of what was asked


def _work(dispatcher: Dispatcher) -> None:
    try:
        dispatcher.work()
    except EngineDiedError:
        return


def test_a_chat_completion_is_answered_in_the_api_s_form(client: Client) -> None:
    status, made = client.chat("hello", data_uri(picture()), seed=5, n=2, temperature=0.5)
    assert status == 200
    texts = [choice["message"]["content"] for choice in made["choices"]]
    assert texts == ["hello [(8, 8)] adapter=True seed=5"] * 2
    assert made["choices"][0]["finish_reason"] == "stop"
    assert made["usage"] == {"completion_tokens": 6}
    assert client.chat("hi", model="base")[1]["choices"][0]["message"]["content"].startswith(
        "hi [] adapter=False"
    )
    assert [model["id"] for model in client.get("/models")[1]["data"]] == list(NAMES)
    assert client.get("/../health")[0] == 404
    assert Client(client.url.removesuffix("/v1"), None).get("/health") == (200, {"status": "ok"})


def test_many_clients_at_once_get_their_own_answers(client: Client) -> None:
    found: dict[int, str] = {}

    def ask(number: int) -> None:
        _, made = client.chat(f"number {number}", seed=number)
        found[number] = made["choices"][0]["message"]["content"]

    threads = [threading.Thread(target=ask, args=[number]) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == {n: f"number {n} [] adapter=True seed={n}" for n in range(20)}


USER = {"role": "user", "content": "x"}


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"model": "other"}, 404, "no model 'other'; there are base, judge, adapter-"),
        ({"stream": True}, 400, "stream is not supported"),
        ({"n": 17}, 400, "n must be 1 to 16"),
        ({"seed": -1}, 400, "seed must be 0 or more"),
        ({"temperature": 9}, 400, "temperature must be in 0..5"),
        ({"max_tokens": "many"}, 400, "cannot be read"),
        ({"messages": [USER, USER]}, 400, "one message, of the role user"),
        ({"messages": [{"role": "system", "content": "x"}]}, 400, "one message"),
        ({"messages": [{"role": "user", "content": [{"type": "audio"}]}]}, 400, "'audio'"),
        ({"messages": [{"role": "user", "content": []}]}, 400, "one text"),
        ({"messages": [{"role": "user", "content": "long"}]}, 400, "the prompt is too long"),
        ({"messages": [{"role": "user", "content": "fail"}]}, 500, "the engine failed"),
    ],
)
def test_what_is_not_answered_is_refused_with_the_reason(
    body: dict[str, Any], status: int, said: str, client: Client
) -> None:
    found, answer = client.post(**({"model": "judge", "messages": [USER]} | body))
    assert (found, said in answer["error"]["message"]) == (status, True), answer
    assert client.chat("and on")[0] == 200


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://host/a.png", "addresses are not fetched"),
        ("file:///etc/passwd", "addresses are not fetched"),
        ("data:image/png;base64,%%", "not base64"),
        (data_uri(b"<html>"), "image"),
    ],
)
def test_a_picture_that_cannot_be_taken_is_refused(url: str, said: str, client: Client) -> None:
    status, answer = client.chat("x", url)
    assert (status, said in answer["error"]["message"]) == (400, True), answer


def test_without_the_key_from_a_browser_s_form_or_without_an_end_nothing_is_answered(
    client: Client,
) -> None:
    for key in (None, "another"):
        assert Client(client.url, key).chat("x")[0] == 401
        assert Client(client.url, key).get("/models")[0] == 401
    assert client.post(kind="text/plain", model="judge", messages=[USER])[0] == 415
    large = urllib.request.Request(f"{client.url}/chat/completions", b"x")
    large.add_header("Content-Length", str(MAX_BODY + 1))
    assert client._send(large)[0] == 413


def test_an_engine_that_died_ends_the_work_and_clients_are_told(client: Client) -> None:
    status, answer = client.chat("die")
    assert (status, "the engine died" in answer["error"]["message"]) == (500, True)
    assert client.chat("x")[0] == 503


def test_images_are_held_as_long_as_someone_needs_them(tmp_path: Path) -> None:
    images = RequestImages(FolderStore(tmp_path), 16)
    with images.holding([picture()]) as (name,):
        with images.holding([picture(), picture("blue")]):
            pass
        assert images.open(name).size == (4, 4)
    with pytest.raises(MissingObjectError):
        images.read(name)
    with pytest.raises(DataError), images.holding([b"no picture"]):
        pass


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--host", "0.0.0.0"], "others could ask the judge there"),
        (["--key-variable", "NO_SUCH_KEY"], "NO_SUCH_KEY: this environment variable is not set"),
        (["--port", "70000"], "70000"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_before_a_model_is_loaded(
    given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--judge", "builtin:tiny-vlm", *given]) == 2
    assert said in capsys.readouterr().err
    assert [_is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "10.0.0.1", "h")] == [
        True, True, True, False, False,
    ]  # fmt: skip


def test_the_verdict_over_http_is_that_of_the_same_judge_in_this_process() -> None:
    judge, asked = "builtin:tiny-vlm", ("count all", [picture()], "1", "2")
    with open_dispatcher(judge, None) as (dispatcher, names):
        worker = threading.Thread(target=dispatcher.work, daemon=True)
        worker.start()
        with JudgeServer(("127.0.0.1", 0), dispatcher, names, None).serving() as url:
            engine = selected_engine("openai", url, names[0], None)
            with Judge.load(judge, engine=engine) as there:
                remote = there.judge(*asked)
        worker.join(10)
    with Judge.load(judge) as here:
        assert msgspec.json.encode(here.judge(*asked)) == msgspec.json.encode(remote)
    assert remote.judgements[0].text
