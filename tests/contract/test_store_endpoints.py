"""Addresses that lead to no S3 server, or to one that answers wrongly: an error, never a belief."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from judgeloop.schema.errors import StoreError
from judgeloop.store import MissingObjectError, S3Store, Store, open_store
from tests.fault_proxy import FaultProxy

# s3transfer does not close the bodies that it does not read.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><p>Hi</p></body></html>"
LISTING = b"<ListBucketResult><Name>b</Name>%s</ListBucketResult>"


@pytest.fixture
def store(faulty_store: Store) -> Store:
    """A store behind a proxy that a test lets answer in the server's place."""
    return faulty_store


def every_call(store: Store, folder: Path) -> dict[str, Any]:
    path = folder / "file"
    path.write_bytes(b"data")
    return {
        "read": lambda: store.read("key"),
        "write": lambda: store.write("key", b"x"),
        "create": lambda: store.create("key", b"x"),
        "exists": lambda: store.exists("key"),
        "list": lambda: store.list("a"),
        "sizes": lambda: store.sizes("a"),
        "delete": lambda: store.delete("key"),
        "upload": lambda: store.upload(path, "key"),
        "download": lambda: store.download("key", folder / "copy"),
    }


@pytest.mark.parametrize(
    "headers", [{}, {"Content-Type": "text/html"}, {"Content-Type": "application/xml"}]
)
def test_an_endpoint_that_answers_everything_with_a_page_is_not_believed(
    headers: dict[str, str], store: Store, s3_proxy: FaultProxy, tmp_path: Path
) -> None:
    s3_proxy.break_with(status=200, body=PAGE, headers=headers)
    for call in every_call(store, tmp_path).values():
        with pytest.raises(StoreError, match="check AWS_ENDPOINT_URL") as caught:
            call()
        assert not isinstance(caught.value, MissingObjectError)
    assert not (tmp_path / "copy").exists()


def test_an_endpoint_that_knows_nothing_is_not_taken_for_an_empty_store(
    store: Store, s3_proxy: FaultProxy, tmp_path: Path
) -> None:
    s3_proxy.break_with(status=404, body=b"no such page")
    for name, call in every_call(store, tmp_path).items():
        if name == "delete":
            continue  # what is not there is deleted
        with pytest.raises(StoreError, match="nothing there speaks S3") as caught:
            call()
        assert not isinstance(caught.value, MissingObjectError), name


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("location", [{}, {"Location": "https://elsewhere.test/login"}])
def test_a_redirect_without_a_region_ends_at_once_and_goes_nowhere(
    status: int, location: dict[str, str], store: Store, s3_proxy: FaultProxy, tmp_path: Path
) -> None:
    s3_proxy.break_with(status=status, headers=location)
    for call in every_call(store, tmp_path).values():
        before = len(s3_proxy.requests)
        with pytest.raises(StoreError, match="redirects to"):
            call()
        assert len(s3_proxy.requests) - before <= 4


def test_a_listing_that_is_cut_without_saying_where_is_no_listing(
    store: Store, s3_proxy: FaultProxy
) -> None:
    body = LISTING % b"<IsTruncated>true</IsTruncated><Contents><Key>a/b</Key></Contents>"
    s3_proxy.break_with(status=200, body=body)
    with pytest.raises(StoreError, match="the listing is incomplete"):
        store.list("a")


@pytest.mark.parametrize(
    "body",
    [
        b"<ListBucketResult><Contents>",
        b"\xff\xfe not xml",
        b"",
        b"<a/>",
        b'{"Contents": []}',
        LISTING % b"<IsTruncated>false</IsTruncated><Contents/>",
        LISTING % b"<Contents><Key>a/b</Key></Contents>",
        LISTING % b"<Contents><Key>a/b</Key><Size>many</Size></Contents>",
        LISTING % b"<Contents><Key>a/b</Key><Size/></Contents>",
        LISTING % b"<Contents><Key/><Size>1</Size></Contents>",
        LISTING % b"<Contents><Key>a/b</Key><Size>-1</Size></Contents>",
        LISTING % b"<Contents><LastModified>today</LastModified><Key>a</Key></Contents>",
        LISTING % b"<Contents><Key>elsewhere/b</Key><Size>1</Size></Contents>",
        b"<ListBucketResult>" + b"<a>" * 5000,
    ],
    ids=range(14),
)
def test_a_listing_that_cannot_be_read_is_a_store_error(
    body: bytes, store: Store, s3_proxy: FaultProxy
) -> None:
    s3_proxy.break_with(status=200, body=body)
    with pytest.raises(StoreError, match=r"cannot list s3://"):
        store.list("a")


def test_an_error_that_cannot_be_read_is_a_store_error(
    store: Store, s3_proxy: FaultProxy, tmp_path: Path
) -> None:
    for body in (b"<Error><Code>", b"<Error/>", b"\0\1\2", b"<Error><Code/></Error>", PAGE):
        s3_proxy.heal()
        s3_proxy.break_with(status=400, body=body)
        for call in every_call(store, tmp_path).values():
            with pytest.raises(StoreError, match="cannot "):
                call()


def test_deleting_what_is_not_there_is_no_error_where_the_server_says_404(
    store: Store, s3_proxy: FaultProxy
) -> None:
    body = b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>"
    s3_proxy.break_with(method="DELETE", status=404, body=body)
    store.delete("key")


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """A second server, and what it was asked: nothing of ours may reach it."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        do_PUT = do_HEAD = do_POST = do_GET

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", asked
    server.shutdown()
    server.server_close()


def test_a_redirect_is_never_followed_to_another_host(
    elsewhere: tuple[str, list[str]], store: Store, s3_proxy: FaultProxy, tmp_path: Path
) -> None:
    url, asked = elsewhere
    s3_proxy.break_with(status=307, headers={"Location": f"{url}/bucket/key"})
    for call in every_call(store, tmp_path).values():
        with pytest.raises(StoreError):
            call()
    assert asked == []


def test_a_bucket_elsewhere_is_still_found_where_its_region_is_named(
    s3_proxy: FaultProxy, s3_uri: str, sound_store: S3Store
) -> None:
    headers = {"x-amz-bucket-region": "eu-west-1"}
    s3_proxy.break_with(status=301, headers=headers, times=1)
    open_store(s3_uri).write("key", b"data")
    assert sound_store.read("key") == b"data"
