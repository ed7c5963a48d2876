"""S3 that misbehaves: a real server behind a proxy that delays, refuses, cuts and changes.

botocore's own number of tries is set down to three, so that what stays broken is given up soon.
"""

import hashlib
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from judgeloop.schema.errors import StoreError
from judgeloop.store import (
    MissingObjectError,
    S3Store,
    Store,
    open_store,
    s3,
)
from tests.fault_proxy import FaultProxy, Request
from tests.faulty_s3 import OUTAGES, TRIES, error_xml

# s3transfer does not close the bodies that broke off.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
PLENTY = 9 * 1024 * 1024  # two parts


@pytest.fixture
def store(faulty_store: Store) -> Store:
    """What the tests call the store behind the proxy."""
    return faulty_store


def big_file(folder: Path) -> Path:
    path = folder / "big.bin"
    path.write_bytes(os.urandom(PLENTY))
    return path


@pytest.mark.parametrize("what", OUTAGES.values(), ids=OUTAGES)
def test_a_passing_outage_is_not_noticed_and_a_lasting_one_is_an_error_to_go_on_from(
    store: Store, s3_proxy: FaultProxy, what: dict[str, Any]
) -> None:
    for call in (
        lambda: store.write("a/key", b"data"),
        lambda: store.read("a/key"),
        lambda: store.exists("a/key"),
        lambda: store.list("a"),
        lambda: store.delete("a/key"),
    ):
        fault = s3_proxy.break_with(**what, times=1)
        call()
        assert fault.met == 1
    fault = s3_proxy.break_with(**what)
    start = time.monotonic()
    with pytest.raises(StoreError, match=r"cannot write s3://bucket-.*/loops/one/key: ") as caught:
        store.write("key", b"data")
    assert fault.met == TRIES
    assert time.monotonic() - start < 10 + TRIES * s3.READ_TIMEOUT_S
    advice = ("check the network", "3 times: it is overloaded")
    assert any(words in str(caught.value) for words in advice)
    s3_proxy.heal()
    store.write("key", b"data")
    assert store.list("") == ["key"]


def test_a_server_that_comes_back_is_waited_for(
    store: Store, s3_proxy: FaultProxy, s3_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3_proxy.stop()
    with pytest.raises(StoreError, match="check the network, AWS_ENDPOINT_URL"):
        store.write("key", b"data")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", str(s3.ATTEMPTS))
    patient = open_store(s3_uri)
    back = threading.Timer(1.0, s3_proxy.start)
    back.start()
    patient.write("key", b"data")
    back.join()
    assert patient.read("key") == b"data"


def test_an_answer_that_is_cut_in_its_body_is_read_again(
    store: Store, s3_proxy: FaultProxy
) -> None:
    data = os.urandom(300_000)
    store.write("key", data)
    fault = s3_proxy.break_with(method="GET", cut_answer_at=100_000, times=2)
    assert store.read("key") == data
    assert fault.met == 2
    s3_proxy.break_with(method="GET", cut_answer_at=100_000)
    with pytest.raises(StoreError, match=r"cannot read s3://.*/key: .*check the network"):
        store.read("key")


def test_an_answer_that_stalls_in_its_body_is_read_again(
    store: Store, s3_proxy: FaultProxy
) -> None:
    store.write("key", bytes(300_000))
    fault = s3_proxy.break_with(method="GET", stall_answer_at=100_000, times=1)
    assert store.read("key") == bytes(300_000)
    assert fault.met == 1


def test_a_cut_listing_is_asked_for_again_not_taken_for_a_short_one(
    store: Store, s3_proxy: FaultProxy
) -> None:
    keys = [f"part/{number}" for number in range(5)]
    for key in keys:
        store.write(key, b"")
    s3_proxy.break_with(path="list-type", cut_answer_at=700, times=1)
    assert store.list("part") == keys
    s3_proxy.break_with(path="list-type", cut_answer_at=700)
    with pytest.raises(StoreError, match="cannot list"):
        store.list("part")


def test_a_put_that_is_cut_in_its_body_is_sent_again_and_never_half_there(
    sound_store: S3Store, store: Store, s3_proxy: FaultProxy
) -> None:
    data = os.urandom(300_000)
    s3_proxy.break_with(method="PUT", cut_request_at=100_000, times=1)
    store.write("key", data)
    assert sound_store.read("key") == data
    s3_proxy.break_with(method="PUT", cut_request_at=100_000)
    with pytest.raises(StoreError, match="cannot write"):
        store.write("key", bytes(300_000))
    with pytest.raises(StoreError, match="cannot create"):
        store.create("other", data)
    assert sound_store.read("key") == data
    assert sound_store.list("") == ["key"]


def test_wrong_bytes_in_an_answer_are_noticed_and_read_again(
    store: Store, s3_proxy: FaultProxy
) -> None:
    store.write("key", b"what was stored")
    s3_proxy.break_with(method="GET", change_answer=True, times=2)
    assert store.read("key") == b"what was stored"
    fault = s3_proxy.break_with(method="GET", change_answer=True)
    with pytest.raises(StoreError, match="do not have their checksum"):
        store.read("key")
    assert fault.met == 3


def test_wrong_bytes_are_noticed_where_the_server_knows_no_checksums(
    store: Store, s3_proxy: FaultProxy
) -> None:
    store.write("key", b"what was stored")
    s3_proxy.hidden = {"x-amz-checksum-sha256"}
    s3_proxy.break_with(method="GET", change_answer=True, times=1)
    assert store.read("key") == b"what was stored"
    s3_proxy.break_with(method="GET", change_answer=True)
    with pytest.raises(StoreError, match=r"/key: the bytes do not have their checksum"):
        store.read("key")


def refuse_other_bytes(request: Request) -> tuple[int, bytes] | None:
    """Answer as S3 does to a body that is not the one that was signed; moto does not look."""
    signed = request.headers.get("x-amz-content-sha256", "")
    if len(signed) == 64 and signed != hashlib.sha256(request.body).hexdigest():
        return 400, error_xml("XAmzContentSHA256Mismatch")
    return None


def test_bytes_that_change_on_the_way_to_the_server_are_sent_again(
    sound_store: S3Store, store: Store, s3_proxy: FaultProxy, tmp_path: Path
) -> None:
    s3_proxy.check = refuse_other_bytes
    path = big_file(tmp_path)
    for call in (
        lambda: store.write("key", b"data"),
        lambda: store.create("lease", b"data"),
        lambda: store.upload(path, "big"),
    ):
        fault = s3_proxy.break_with(method="PUT", change_request=True, times=1)
        call()
        assert fault.met == 1
    assert sound_store.read("key") == sound_store.read("lease") == b"data"
    assert sound_store.read("big") == path.read_bytes()
    s3_proxy.break_with(method="PUT", change_request=True)
    with pytest.raises(StoreError, match="XAmzContentSHA256Mismatch: data is lost or corrupted"):
        store.write("key", b"other")
    assert sound_store.read("key") == b"data"


def test_wrong_bytes_that_a_careless_server_kept_are_found_when_read(
    store: Store, s3_proxy: FaultProxy
) -> None:
    s3_proxy.break_with(method="PUT", change_request=True, times=1)
    store.write("key", b"what was meant")
    with pytest.raises(StoreError, match=r"delete the object; it is computed again"):
        store.read("key")


def test_a_large_object_survives_cut_changed_and_refused_parts(
    store: Store, s3_proxy: FaultProxy, tmp_path: Path
) -> None:
    path, copy = big_file(tmp_path), tmp_path / "copy"
    s3_proxy.break_with(method="PUT", path="partNumber=1", cut_request_at=1_000_000, times=1)
    s3_proxy.break_with(method="PUT", path="partNumber=2", status=503, times=1)
    store.upload(path, "big")
    s3_proxy.break_with(method="GET", cut_answer_at=1_000_000, times=2)
    s3_proxy.break_with(method="GET", change_answer=True, times=1)
    store.download("big", copy)
    assert copy.read_bytes() == path.read_bytes()
    assert all(fault.met == fault.times for fault in s3_proxy.faults)


def test_a_lost_part_is_noticed_and_everything_is_sent_again(
    sound_store: S3Store, store: Store, s3_proxy: FaultProxy, tmp_path: Path
) -> None:
    path = big_file(tmp_path)
    lost = {"method": "PUT", "path": "partNumber=2", "status": 200, "headers": {"ETag": '"aa"'}}
    s3_proxy.break_with(**lost, times=1)
    store.upload(path, "big")
    assert sound_store.read("big") == path.read_bytes()
    s3_proxy.break_with(**lost)
    with pytest.raises(StoreError, match=r"cannot upload .*big.bin to .*/other: .*InvalidPart"):
        store.upload(path, "other")
    assert sound_store.list("") == ["big"]
    assert "Uploads" not in sound_store._client.list_multipart_uploads(Bucket=sound_store._bucket)


@pytest.mark.parametrize("forgets", [False, True], ids=["server knows", "server has forgotten"])
def test_the_lost_answer_to_the_end_of_an_upload_is_no_error(
    sound_store: S3Store, store: Store, s3_proxy: FaultProxy, tmp_path: Path, forgets: bool
) -> None:
    path = big_file(tmp_path)
    end = {"method": "POST", "path": "uploadId", "times": 1}
    s3_proxy.break_with(**end, cut_answer_at=-1)
    if forgets:  # AWS and moto repeat their answer, others know the upload no more
        s3_proxy.break_with(**end, status=404, body=error_xml("NoSuchUpload"))
    store.upload(path, "big")
    assert all(fault.met == 1 for fault in s3_proxy.faults)
    assert s3_proxy.count("PUT .*partNumber") == 2
    assert sound_store.read("big") == path.read_bytes()


def test_a_failed_download_leaves_no_part_of_a_file(
    store: Store, s3_proxy: FaultProxy, tmp_path: Path
) -> None:
    store.upload(big_file(tmp_path), "big")
    s3_proxy.break_with(method="GET", cut_answer_at=1_000_000)
    with pytest.raises(StoreError, match="the transfer failed repeatedly"):
        store.download("big", tmp_path / "out" / "copy")
    assert list((tmp_path / "out").iterdir()) == []


FINAL = [
    (507, "InsufficientStorage", "the store is full"),
    (507, "XMinioStorageFull", "the store is full"),
    (403, "QuotaExceeded", "the store is full"),
    (400, "ExpiredToken", "renew AWS_ACCESS_KEY_ID"),
    (403, "ExpiredToken", "renew AWS_ACCESS_KEY_ID"),
    (403, "RequestTimeTooSkewed", "the clock of this machine is wrong"),
    (403, "AccessDenied", "grant s3:GetObject"),
]


def test_what_waiting_does_not_mend_is_said_at_once_by_every_method(
    store: Store, s3_proxy: FaultProxy, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"data")
    store.write("key", b"data")
    for status, code, advice in FINAL:
        s3_proxy.break_with(status=status, body=error_xml(code))
        for call in (
            lambda: store.read("key"),
            lambda: store.write("key", b"x"),
            lambda: store.create("key", b"x"),
            lambda: store.exists("key"),
            lambda: store.list(""),
            lambda: store.delete("key"),
            lambda: store.upload(path, "key"),
            lambda: store.download("key", path),
        ):
            before = len(s3_proxy.requests)
            with pytest.raises(StoreError, match=f"S3 answered ({code}|507): .*{advice}"):
                call()
            # An answer to HEAD has no body, so botocore asks where the bucket is, the store why.
            assert len(s3_proxy.requests) - before <= 3
        s3_proxy.heal()
        assert store.read("key") == path.read_bytes() == b"data"


def test_a_bucket_that_does_not_exist_is_told_from_an_absent_object(
    s3_proxy: FaultProxy, tmp_path: Path
) -> None:
    store = open_store("s3://no-such-bucket-here/p")
    for call in (
        lambda: store.exists("key"),
        lambda: store.read("key"),
        lambda: store.create("key", b"x"),
        lambda: store.download("key", tmp_path / "copy"),
    ):
        with pytest.raises(StoreError, match="NoSuchBucket: the bucket does not exist") as caught:
            call()
        assert not isinstance(caught.value, MissingObjectError)


def test_an_object_whose_sender_goes_away_is_not_stored_in_part(
    s3_proxy: FaultProxy,
) -> None:
    sent: list[bytes] = []
    s3_proxy.check = lambda request: sent.append(request.body)
    port = int(s3_proxy.url.rpartition(":")[2])
    for part in (b"", b"half"):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            head = b"PUT /bucket/loops/one/key HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
            connection.sendall(head + part)
            connection.shutdown(socket.SHUT_WR)
            with pytest.raises(ConnectionResetError):
                connection.recv(1)
    assert sent == []
