"""What only S3 can break: pages, checksums, conditional puts, credentials, the network.

The server is real; where it cannot be made to misbehave, an event handler of botocore changes what
is sent or answers in its place.
"""

import base64
import io
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from urllib3.response import HTTPResponse

from judgeloop.schema.errors import StoreError
from judgeloop.store import S3Store, open_store, sha256_bytes
from judgeloop.store.s3 import s3_client

PLENTY = 9 * 1024 * 1024  # more than boto3 sends in one part


@pytest.fixture
def s3(s3_uri: str) -> S3Store:
    """An empty S3 store whose client tries once, so that faults show at once."""
    bucket, _, prefix = s3_uri.removeprefix("s3://").partition("/")
    return S3Store(impatient_client(), bucket, prefix)


def impatient_client(**settings: Any) -> Any:
    """Make a boto3 client without retries."""
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=1, read_timeout=5)
    return boto3.session.Session().client("s3", config=config, **settings)


def client_of(store: S3Store) -> Any:
    """Return the boto3 client below a store, to tamper with what it sends."""
    return store._client


def test_a_listing_goes_through_all_pages(s3: S3Store) -> None:
    keys = [f"part/{number:02d}" for number in range(10)]
    for key in keys:
        s3.write(key, b"")
    client_of(s3).meta.events.register(
        "provide-client-params.s3.ListObjectsV2", lambda params, **_: params | {"MaxKeys": 3}
    )
    answers = []
    client_of(s3).meta.events.register(
        "after-call.s3.ListObjectsV2", lambda parsed, **_: answers.append(parsed["KeyCount"])
    )
    assert s3.list("part") == keys
    assert answers == [3, 3, 3, 1]


def test_the_marker_of_an_empty_folder_is_not_listed(s3: S3Store, s3_uri: str) -> None:
    bucket, _, prefix = s3_uri.removeprefix("s3://").partition("/")
    client_of(s3).put_object(Bucket=bucket, Key=f"{prefix}/marked/", Body=b"")
    s3.write("marked/x", b"")
    assert s3.list("") == ["marked/x"]


def test_every_write_carries_its_sha256(s3: S3Store, tmp_path: Path) -> None:
    sent: list[bytes | None] = []
    for operation in ("PutObject", "UploadPart"):
        client_of(s3).meta.events.register(
            f"before-send.s3.{operation}",
            lambda request, **_: sent.append(request.headers.get("x-amz-checksum-sha256")),
        )
    s3.write("a", b"x")
    s3.create("b", b"x")
    (tmp_path / "big").write_bytes(bytes(PLENTY))
    s3.upload(tmp_path / "big", "big")
    # The first object that is created is sent again, to see whether the condition is minded.
    assert sent[:3] == [base64.b64encode(bytes.fromhex(sha256_bytes(b"x")))] * 3
    assert len(sent) == 5  # two parts
    assert None not in sent


def test_a_large_object_with_other_bytes_than_its_hash_is_refused(
    s3: S3Store, s3_uri: str, tmp_path: Path
) -> None:
    bucket, _, prefix = s3_uri.removeprefix("s3://").partition("/")
    client_of(s3).put_object(
        Bucket=bucket, Key=f"{prefix}/big", Body=bytes(PLENTY), Metadata={"sha256": "0" * 64}
    )
    target = tmp_path / "out" / "big"
    with pytest.raises(StoreError, match="do not have their checksum 0000"):
        s3.download("big", target)
    assert list(target.parent.iterdir()) == []


def test_an_object_that_someone_else_uploaded_is_downloaded(
    s3: S3Store, s3_uri: str, tmp_path: Path
) -> None:
    bucket, _, prefix = s3_uri.removeprefix("s3://").partition("/")
    client_of(s3).put_object(Bucket=bucket, Key=f"{prefix}/theirs", Body=b"x")
    s3.download("theirs", tmp_path / "theirs")
    assert (tmp_path / "theirs").read_bytes() == b"x"


def refuse(code: str, status: int, always: bool = False) -> Any:
    """Make an event handler that answers conditional puts, or all, with an error."""

    def answer(request: Any, **_: Any) -> Any:
        if not always and request.headers.get("If-None-Match") is None:
            return None
        body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
        raw = HTTPResponse(io.BytesIO(body), preload_content=False)
        return AWSResponse(request.url, status, {}, raw)

    return answer


def test_create_works_where_the_server_has_no_conditional_put(
    s3: S3Store, caplog: pytest.LogCaptureFixture
) -> None:
    client_of(s3).meta.events.register("before-send.s3.PutObject", refuse("NotImplemented", 501))
    assert s3.create("lease", b"first") is True
    assert s3.create("lease", b"second") is False
    assert s3.create("other", b"third") is True
    assert s3.read("lease") == b"first"
    assert caplog.text.count("no conditional put") == 1


def test_nothing_is_looked_for_once_the_server_has_refused_to_overwrite(s3: S3Store) -> None:
    asked = []
    s3.create("first", b"x")
    client_of(s3).meta.events.register("before-send.s3", lambda request, **_: asked.append(request))
    assert s3.create("second", b"x") is True
    assert s3.create("second", b"y") is False
    assert [request.method for request in asked] == ["PUT", "PUT"]
    assert s3.read("second") == b"x"


def test_create_works_where_the_server_ignores_the_condition(s3: S3Store) -> None:
    def ignore(request: Any, **_: Any) -> None:
        del request.headers["If-None-Match"]

    client_of(s3).meta.events.register("before-sign.s3.PutObject", ignore)
    assert s3.create("lease", b"first") is True
    assert s3.create("lease", b"second") is False
    assert s3.read("lease") == b"first"


def test_a_writer_who_comes_between_look_and_put_still_wins(s3: S3Store, s3_uri: str) -> None:
    other = open_store(s3_uri)
    client_of(s3).meta.events.register(
        "before-call.s3.PutObject", lambda **_: other.write("lease", b"other")
    )
    assert s3.create("lease", b"mine") is False
    assert s3.read("lease") == b"other"


def test_create_gives_up_with_a_reason_when_writers_never_stop(s3: S3Store) -> None:
    client_of(s3).meta.events.register(
        "before-send.s3.PutObject", refuse("ConditionalRequestConflict", 409)
    )
    with pytest.raises(StoreError, match="other writers keep S3 busy"):
        s3.create("lease", b"x")
    assert not s3.exists("lease")


def test_a_missing_bucket_is_named(s3_uri: str, tmp_path: Path) -> None:
    store = open_store("s3://no-such-bucket-here/p")
    (tmp_path / "file").write_bytes(b"x")
    for call in (
        lambda: store.read("key"),
        lambda: store.write("key", b"x"),
        lambda: store.list(""),
        lambda: store.upload(tmp_path / "file", "key"),
    ):
        with pytest.raises(StoreError, match=r"no-such-bucket-here.*bucket does not exist"):
            call()


def test_missing_credentials_say_what_to_set(s3_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    with pytest.raises(StoreError, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        open_store(s3_uri).read("key")


@pytest.mark.parametrize(
    ("code", "status", "advice"),
    [
        ("ExpiredToken", 400, "renew AWS_ACCESS_KEY_ID"),
        ("SignatureDoesNotMatch", 403, "renew AWS_ACCESS_KEY_ID"),
        ("AccessDenied", 403, "grant s3:GetObject"),
        ("SomethingNew", 400, "try again"),
    ],
)
def test_what_s3_refuses_is_explained(s3: S3Store, code: str, status: int, advice: str) -> None:
    client_of(s3).meta.events.register("before-send.s3.PutObject", refuse(code, status, True))
    with pytest.raises(StoreError, match=f"loops/one/key: S3 answered {code}: .*{advice}"):
        s3.create("key", b"x")


def test_an_unreachable_endpoint_is_named_without_its_password(s3_uri: str) -> None:
    client = impatient_client(endpoint_url="http://user:hunter2@127.0.0.1:9")
    with pytest.raises(StoreError, match="check the network, AWS_ENDPOINT_URL") as caught:
        S3Store(client, "bucket").read("key")
    assert "hunter2" not in str(caught.value)
    assert "127.0.0.1:9" in str(caught.value)


def test_an_endpoint_that_is_no_address_is_a_store_error(
    s3_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "no address")
    with pytest.raises(StoreError, match="correct AWS_ENDPOINT_URL"):
        open_store(s3_uri)


def test_the_client_waits_and_tries_again_within_bounds(s3_uri: str) -> None:
    config = s3_client().meta.config
    assert config.retries == {"mode": "standard", "total_max_attempts": 11}
    assert (config.connect_timeout, config.read_timeout) == (5, 60)


def test_the_standard_variable_sets_how_often_it_tries(
    s3_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    assert s3_client().meta.config.retries["total_max_attempts"] == 2


def test_bytes_that_changed_on_the_way_are_not_taken_for_the_object(s3: S3Store) -> None:
    s3.write("key", b"right")

    def wrong(request: Any, **_: Any) -> Any:
        digest = base64.b64encode(bytes.fromhex(sha256_bytes(b"right"))).decode()
        headers = {"x-amz-checksum-sha256": digest, "content-length": "5", "etag": '"e"'}
        raw = HTTPResponse(io.BytesIO(b"wrong"), headers=headers, preload_content=False)
        return AWSResponse(request.url, 200, headers, raw)

    client_of(s3).meta.events.register("before-send.s3.GetObject", wrong)
    with pytest.raises(StoreError, match="do not have their checksum"):
        s3.read("key")


def test_a_download_that_keeps_breaking_is_a_store_error(s3: S3Store, tmp_path: Path) -> None:
    s3.write("key", b"right")
    tries = []

    def break_off(request: Any, **_: Any) -> Any:
        tries.append(request)
        headers = {"content-length": "5", "etag": '"e"'}
        body = io.BytesIO(b"ri")
        raw = HTTPResponse(
            body, headers=headers, preload_content=False, enforce_content_length=True
        )
        return AWSResponse(request.url, 200, headers, raw)

    client_of(s3).meta.events.register("before-send.s3.GetObject", break_off)
    with pytest.raises(StoreError, match=r"cannot download .*/key: .*check the network"):
        s3.download("key", tmp_path / "out" / "copy")
    assert len(tries) == 3  # as often as a read
    assert list((tmp_path / "out").iterdir()) == []
