"""Servers that understand less than Amazon's, each behind TLS: everything works, and it is said."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from judgeloop.ops.doctor.checks import check_store
from judgeloop.schema.config import load_config
from judgeloop.schema.errors import StoreError
from judgeloop.store import open_store
from tests import s3_vendors
from tests.conftest import REPOSITORY
from tests.fault_proxy import FaultProxy, Request
from tests.s3_vendors import HOST, Quirk

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
PLENTY = 9 * 1024 * 1024  # two parts
NO_CHECKSUMS = "refuses S3's checksum headers"
NO_CONDITION = "no conditional put"
MD5 = "wants Content-MD5"


def use_all_of_it(uri: str, folder: Path) -> None:
    """Everything that a loop asks of a store; fails where one answer is wrong."""
    store = open_store(uri)
    store.write("a/small", b"small")
    assert store.create("a/lease", b"first") is True
    assert store.create("a/lease", b"second") is False
    assert store.read("a/lease") == b"first"
    path = folder / "large.bin"
    path.write_bytes(os.urandom(PLENTY))
    store.upload(path, "a/large")
    store.download("a/large", folder / "copy")
    assert (folder / "copy").read_bytes() == path.read_bytes()
    assert store.sizes("a") == {"a/large": PLENTY, "a/lease": 5, "a/small": 5}
    store.delete("a/small")
    assert not store.exists("a/small")


@pytest.mark.parametrize(
    ("quirk", "said"),
    [
        (lambda _: None, set()),
        (s3_vendors.no_trailers, set()),
        (s3_vendors.backblaze, {NO_CHECKSUMS}),
        (s3_vendors.cloudflare, {NO_CHECKSUMS}),
        (s3_vendors.other_signature, {NO_CHECKSUMS}),
        (s3_vendors.bad_request, {NO_CHECKSUMS}),
        (s3_vendors.no_condition, {NO_CONDITION}),
        (s3_vendors.neither, {NO_CHECKSUMS, NO_CONDITION}),
        (s3_vendors.object_lock, {NO_CHECKSUMS, MD5}),
        (s3_vendors.completion_with_md5, {MD5}),
    ],
    ids=[
        "all", "no trailers", "Backblaze", "Cloudflare", "other signature", "bad request",
        "no condition", "neither", "object lock", "MD5 to complete",
    ],
)  # fmt: skip
def test_a_server_that_refuses_a_header_is_used_without_it_and_that_is_said_once(
    quirk: Quirk,
    said: set[str],
    vendor: FaultProxy,
    s3_uri: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    vendor.check = quirk
    use_all_of_it(s3_uri, tmp_path)
    for words in (NO_CHECKSUMS, NO_CONDITION, MD5):
        assert caplog.text.count(words) == (words in said), words


def test_checksums_go_in_headers_over_https_for_a_part_as_for_a_small_object(
    vendor: FaultProxy, s3_uri: str, tmp_path: Path
) -> None:
    seen: list[Request] = []
    vendor.check = lambda request: seen.append(request)  # type: ignore[func-returns-value]
    use_all_of_it(s3_uri, tmp_path)
    puts = [request.headers for request in seen if request.method == "PUT"]
    assert len(puts) >= 5
    assert all("x-amz-checksum-sha256" in headers for headers in puts)


def test_what_a_server_refuses_for_another_reason_changes_nothing_for_later(
    vendor: FaultProxy, s3_uri: str, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Request] = []

    def refuse_one_key(request: Request) -> tuple[int, bytes] | None:
        seen.append(request)
        return (400, b"") if request.method == "PUT" and "bad" in request.path else None

    vendor.check = refuse_one_key
    store = open_store(s3_uri)
    for call in (lambda: store.write("bad", b""), lambda: store.create("bad", b"")):
        with pytest.raises(StoreError, match="S3 answered 400"):
            call()
    assert store.create("good", b"")
    assert "x-amz-checksum-sha256" in seen[-1].headers
    assert store.create("good", b"") is False
    assert [it.getMessage() for it in caplog.records if it.name.startswith("judgeloop")] == []


@pytest.mark.parametrize("value", ["when_required", "WHEN_REQUIRED"])
def test_the_setting_of_botocore_is_honoured_so_that_no_try_is_refused(
    value: str,
    vendor: FaultProxy,
    s3_uri: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", value)
    monkeypatch.setenv("AWS_RESPONSE_CHECKSUM_VALIDATION", value)
    refused: list[Request] = []

    def strict(request: Request) -> tuple[int, bytes] | None:
        answer = s3_vendors.backblaze(request)
        if answer is not None:
            refused.append(request)
        return answer

    vendor.check = strict
    use_all_of_it(s3_uri, tmp_path)
    assert refused == []
    assert [it.getMessage() for it in caplog.records if it.name.startswith("judgeloop")] == []


def resolve_vendor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let names below the vendor's host lead to the loopback, as a name server would."""
    real = socket.getaddrinfo

    def resolved(host: Any, *rest: Any, **named: Any) -> Any:
        return real("127.0.0.1" if str(host).endswith(HOST) else host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    monkeypatch.setenv("NO_PROXY", HOST)
    monkeypatch.setenv("no_proxy", HOST)


def test_a_server_that_wants_the_bucket_in_its_name_gets_it_by_the_aws_config_file(
    vendor: FaultProxy, s3_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.check = s3_vendors.bucket_in_host
    resolve_vendor(monkeypatch)
    port = vendor.url.rpartition(":")[2]
    file = tmp_path / "config"
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    file.write_text(f"[default]\nendpoint_url = https://{HOST}:{port}\n")
    with pytest.raises(StoreError, match=r"SecondLevelDomainForbidden: .*addressing_style = virt"):
        open_store(s3_uri).write("key", b"")
    file.write_text(file.read_text() + "s3 =\n  addressing_style = virtual\n")
    use_all_of_it(s3_uri, tmp_path)


def test_the_encryption_that_a_bucket_demands_is_named_and_sent(
    vendor: FaultProxy, s3_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.check = s3_vendors.encrypted
    with pytest.raises(StoreError, match=r"AccessDenied: .*set JUDGELOOP_S3_ENCRYPTION=aws:kms"):
        open_store(s3_uri).write("key", b"")
    monkeypatch.setenv("JUDGELOOP_S3_ENCRYPTION", "aws:kms")
    monkeypatch.setenv("JUDGELOOP_S3_KMS_KEY", "key-1")
    use_all_of_it(s3_uri, tmp_path)


@pytest.mark.parametrize(
    ("kind", "key", "said"),
    [
        ("kms", "", "set it to one of AES256, aws:kms, aws:kms:dsse"),
        ("", "key-1", "set it to one of"),
        ("AES256", "key-1", "needs JUDGELOOP_S3_ENCRYPTION=aws:kms"),
    ],
)
def test_an_encryption_that_makes_no_sense_is_refused_before_anything_is_sent(
    kind: str, key: str, said: str, s3_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGELOOP_S3_ENCRYPTION", kind)
    monkeypatch.setenv("JUDGELOOP_S3_KMS_KEY", key)
    with pytest.raises(StoreError, match=said):
        open_store(s3_uri)


def test_the_preflight_finds_what_only_large_files_meet(
    vendor: FaultProxy, s3_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config(REPOSITORY / "pipelines/configs/micro.yaml", [f"store={s3_uri}"])
    assert check_store(config).endswith("deleted from, also in parts")
    assert open_store(s3_uri).list("") == []
    # A refused part interrupts the others, which botocore takes for a lost connection and repeats.
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    vendor.check = lambda request: (403, b"") if "partNumber" in request.path else None
    with pytest.raises(StoreError, match=r"cannot upload .*large: S3 answered 403"):
        check_store(config)
    assert open_store(s3_uri).list("") == []
