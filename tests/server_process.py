"""A real server for tests, from start to end: a process group of its own on the loopback."""

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

START_TIMEOUT_S = 90
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Opens addresses, never by way of a proxy."""


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def running_server(
    command: Sequence[str],
    ready: str | Path,
    log: Path,
    environment: Mapping[str, str],
    timeout_s: float = START_TIMEOUT_S,
) -> Iterator[None]:
    """Starts a server, waits until it is ready, and kills it and what it started at the end.

    Args:
        command: The server's command line; it runs in the log's folder.
        ready: The address that answers without an error once the server is ready, or the path of
            the socket that it then takes connections on.
        log: File of what the server prints.
        environment: Variables that the server gets besides ours.
        timeout_s: How long the start may take. A test whose server is not ready then, or has ended
            before, fails with the end of the log.
    """
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command, cwd=log.parent, stdout=sink, stderr=subprocess.STDOUT,
            env=os.environ | environment, start_new_session=True,
        )  # fmt: skip
    try:
        if not _answers(process, ready, timeout_s):
            said = log.read_text(errors="replace")[-3000:]
            pytest.fail(f"the server of {ready} did not start:\n{said}")
        yield
    finally:
        with suppress(ProcessLookupError):  # it has ended by itself, and nothing of it is left
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that takes connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def _answers(process: subprocess.Popen[bytes], ready: str | Path, timeout_s: float) -> bool:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end and process.poll() is None:
        try:
            if isinstance(ready, Path):
                with socket.socket(socket.AF_UNIX) as probe:
                    probe.connect(str(ready))
                    return True
            with DIRECT.open(ready, timeout=5):
                return True
        except OSError:
            time.sleep(0.1)
    return False
