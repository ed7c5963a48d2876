"""The endpoint engine before a server process with faults (`tests/chat_server.py`)."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from judgeloop.engines import Engine
from judgeloop.runtime.engine_start import open_engine
from judgeloop.schema.engine_section import EndpointSection, EngineSection
from judgeloop.schema.records import ModelRef
from judgeloop.schema.requests import Request, Response
from judgeloop.schema.sampling import Sampling
from judgeloop.store import FolderStore
from judgeloop.store.images import ImageLibrary
from tests.chat_server import KEY

WARM = Sampling(temperature=0.7, top_p=0.9, top_k=20, max_tokens=40)
GREEDY = Sampling(temperature=0.0, max_tokens=40)
BASE = ModelRef(base="owner/name")
SERVER = str(Path(__file__).parent / "chat_server.py")
START_TIMEOUT_S = 60
Start = Callable[..., Engine]


class Server:
    """The server process, and what it noted."""

    def __init__(self, folder: Path) -> None:
        self.port_file, self.log = folder / "port", folder / "log"
        self.process = subprocess.Popen([sys.executable, SERVER, self.port_file, self.log])
        end = time.monotonic() + START_TIMEOUT_S
        while not self.port_file.exists():
            assert time.monotonic() < end, "the server did not start"
            time.sleep(0.02)
        self.url = f"http://127.0.0.1:{self.port_file.read_text()}/v1"
        self.read = 0

    def noted(self) -> list[dict[str, Any]]:
        """What came and went since the last call."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        new, self.read = lines[self.read :], len(lines)
        return [json.loads(line) for line in new]

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="session")
def chat_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("chat"))
    yield server
    server.end()


@pytest.fixture
def chat_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key in TEST_KEY, and no proxy between."""
    monkeypatch.setenv("TEST_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def chat_library(tmp_path: Path) -> ImageLibrary:
    return ImageLibrary(FolderStore(tmp_path / "store"), max_pixels=10_000)


@pytest.fixture
def open_chat(
    chat_server: Server,
    chat_library: ImageLibrary,
    chat_key: None,
    tmp_path: Path,
) -> Iterator[Start]:
    """Opens the engine: `open_chat(judge, batch_size=..., timeout_s=..., ...)`."""
    opened: list[Engine] = []

    def open_endpoint(
        judge: ModelRef = BASE, batch_size: int = 8, max_prompt_tokens: int = 60, **changes: Any
    ) -> Engine:
        fields = {"url": chat_server.url, "model": "base", "key_variable": "TEST_KEY"} | changes
        section = EngineSection(
            kind="openai",
            batch_size=batch_size,
            max_prompt_tokens=max_prompt_tokens,
            endpoint=msgspec.convert(fields, EndpointSection),
        )
        opened.append(open_engine(section, judge, chat_library, FolderStore(tmp_path / "store")))
        chat_server.noted()
        return opened[-1]

    yield open_endpoint
    for engine in opened:
        engine.close()


def ask(text: str, **changes: Any) -> Request:
    fields = {"id": text, "text": text, "purpose": "answer", "sampling": WARM, "seed": 1024}
    return Request(**fields | changes)


def texts(response: Response) -> list[str]:
    assert response.error is None
    return [sample.text for sample in response.samples]
