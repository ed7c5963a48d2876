"""An S3 store behind a proxy that misbehaves on demand, and the same one without it.

botocore's own number of tries is set down to three, so that what stays broken is given up soon.
"""

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from judgeloop.store import S3Store, Store, open_store, s3, s3_retries
from tests.fault_proxy import FaultProxy
from tests.s3_server import S3Server

TRIES = 3


@pytest.fixture
def s3_proxy(
    s3_uri: str,
    s3_server: S3Server,
    fault_proxy: type[FaultProxy],
    monkeypatch: pytest.MonkeyPatch,
) -> FaultProxy:
    """A proxy before the S3 server, to which the AWS variables now lead."""
    made = fault_proxy(s3_server.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", str(TRIES))
    monkeypatch.setattr(s3_retries, "PAUSES_S", (0.01, 0.01))
    monkeypatch.setattr(s3, "READ_TIMEOUT_S", 1)
    return made


@pytest.fixture
def faulty_store(s3_proxy: FaultProxy, s3_uri: str) -> Iterator[Store]:
    """An empty store behind the proxy."""
    yield open_store(s3_uri)
    gc.collect()  # what a broken transfer left open is this test's, not the next one's


@pytest.fixture(scope="module")
def sound_client(s3_server: S3Server) -> Any:
    """A client of the server itself."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3_server.environment.items():
            patch.setenv(name, value)
        return s3.s3_client()


@pytest.fixture
def sound_store(s3_uri: str, sound_client: Any) -> S3Store:
    """The same store without the proxy, to see what is really there."""
    bucket, _, prefix = s3_uri.removeprefix("s3://").partition("/")
    return S3Store(sound_client, bucket, prefix)


def error_xml(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>the server's words</Message></Error>".encode()


OUTAGES = {
    "500": {"status": 500, "body": error_xml("InternalError")},
    "503 with Retry-After": {
        "status": 503,
        "body": error_xml("SlowDown"),
        "headers": {"Retry-After": "1"},
    },
    "503 without a body": {"status": 503},
    "cut before the body has come": {"cut_request_at": 0},
    "answer lost": {"cut_answer_at": -1},
    "silent": {"delay_s": 1.5},
}
