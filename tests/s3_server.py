"""A real S3-compatible HTTP server for tests: moto, in a process of its own on the loopback."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

START_TIMEOUT_S = 60
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never by way of a proxy


class S3Server(NamedTuple):
    """A running server."""

    url: str
    """`http://127.0.0.1:port`."""

    @property
    def environment(self) -> dict[str, str]:
        """The AWS variables that lead boto3, here or in a child process, to this server."""
        return {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_SESSION_TOKEN": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Start the server on a free port, wait until it answers, and end it with the session."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = S3Server(f"http://127.0.0.1:{port}")
    log = tmp_path_factory.mktemp("s3_server") / "log.txt"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=os.environ | server.environment,
        )
    try:
        _wait_until_ready(process, server, log)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def s3_uri(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """Set the AWS variables for this test and return `s3://bucket/prefix` of a new bucket."""
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    bucket = f"bucket-{uuid.uuid4().hex}"
    with DIRECT.open(urllib.request.Request(f"{s3_server.url}/{bucket}", method="PUT")):
        pass
    return f"s3://{bucket}/loops/one"


def _wait_until_ready(process: subprocess.Popen[bytes], server: S3Server, log: Path) -> None:
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with DIRECT.open(f"{server.url}/moto-api/", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"the S3 server did not start:\n{log.read_text(errors='replace')[-2000:]}")
