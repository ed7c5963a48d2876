"""A real S3-compatible HTTP server for tests: moto."""

import os
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.server_process import DIRECT, free_port, running_server


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
    port = free_port()
    server = S3Server(f"http://127.0.0.1:{port}")
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    log = tmp_path_factory.mktemp("s3_server") / "log.txt"
    with running_server(command, f"{server.url}/moto-api/", log, server.environment):
        yield server


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
