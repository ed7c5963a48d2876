"""Addresses that lead to no S3 server, or to one that answers wrongly: an error, never a belief."""

import http.server
import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from judgeloop.schema.errors import StoreError
from judgeloop.store import MissingObjectError, S3Store, Store, open_store, s3_answers
from tests.fault_proxy import FaultProxy, Request

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


ENOUGH = 20
"""Pages after which a listing ends, so that a test of one without end fails instead of hanging."""
Pages = Callable[[int], tuple[list[str], str]]
"""The keys of a page by its number from 0, and the token of the next; empty for the last."""


def page_with(proxy: FaultProxy, store: Store, pages: Pages) -> None:
    """Answers every listing with pages, whatever is stored."""
    numbers = itertools.count()

    def answer(request: Request) -> tuple[int, bytes]:
        keys, token = pages(next(numbers))
        body = b"".join(
            b"<Contents><Key>%s%s</Key><Size>1</Size></Contents>" % (_below(store), key.encode())
            for key in keys
        )
        goes_on = (
            b"<IsTruncated>true</IsTruncated><NextContinuationToken>%s</NextContinuationToken>"
        )
        more = goes_on % token.encode() if token and proxy.count("list-type") < ENOUGH else b""
        return 200, LISTING % (body + more)

    proxy.check = answer


@pytest.mark.parametrize(
    "pages",
    [
        lambda number: (["a/b"], f"token {number}"),
        lambda number: (["a/b", "a/c"][: 2 - number % 2], f"token {number}"),
        lambda number: ([f"a/{number}"], f"token {number % 2}"),
        lambda number: ([f"a/{number}"], "the same"),
        lambda number: ([], f"token {number}"),
    ],
    ids=["same key", "fewer keys", "tokens in turn", "same token", "no keys"],
)
def test_an_endpoint_that_pages_for_ever_is_left_with_an_error_that_names_it(
    pages: Pages, store: Store, s3_proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_answers, "EMPTY_PAGES", 5)
    page_with(s3_proxy, store, pages)
    with pytest.raises(StoreError) as caught:
        store.list("a")
    said = str(caught.value)
    assert f"cannot list {store.uri}/a/: the listing of {s3_proxy.url} does not end" in said
    assert s3_proxy.count("list-type") <= 5


def test_a_listing_of_many_pages_is_read_to_its_end_and_empty_pages_are_no_fault(
    store: Store, s3_proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_answers, "EMPTY_PAGES", 3)
    keys = [[], [], ["a/b"], [], [], ["a/c", "a/d"], [], ["a/e"], ["a/e"]]
    tokens = [f"token {number}" for number in range(len(keys) - 1)]
    page_with(s3_proxy, store, lambda at: (keys[at], [*tokens, ""][at]))
    assert store.list("a") == ["a/b", "a/c", "a/d", "a/e"]
    assert s3_proxy.count("list-type") == len(keys)


def test_uploads_that_are_listed_for_ever_are_an_error_too(
    store: Store, s3_proxy: FaultProxy
) -> None:
    numbers = itertools.count()

    def answer(request: Request) -> tuple[int, bytes]:
        upload = b"<Upload><Key>%sa</Key><UploadId>1</UploadId>%s</Upload>" % (
            _below(store),
            b"<Initiated>2026-01-01T00:00:00.000Z</Initiated>",
        )
        marks = b"<NextKeyMarker>a</NextKeyMarker><NextUploadIdMarker>%d</NextUploadIdMarker>"
        number = next(numbers)
        goes_on = b"true" if number < ENOUGH else b"false"
        said = b"<IsTruncated>%s</IsTruncated>" % goes_on + upload + marks % number
        return 200, b"<ListMultipartUploadsResult>%s</ListMultipartUploadsResult>" % said

    s3_proxy.check = answer
    with pytest.raises(StoreError, match="does not end: page 2 leads on"):
        store.unfinished()


def test_a_listing_tells_of_no_name_that_is_no_key(store: Store, s3_proxy: FaultProxy) -> None:
    names = (b"a/", b"a/b", b"a/../../c", b"a//b", b"a/.tmp-0", b"a/b\\c")
    items = b"".join(
        b"<Contents><Key>%s</Key><Size>1</Size></Contents>" % (_below(store) + name)
        for name in names
    )
    s3_proxy.break_with(status=200, body=LISTING % items)
    assert store.list("a") == ["a/b"]


def _below(store: Store) -> bytes:
    assert isinstance(store, S3Store)
    return store._below.encode()


def test_a_part_of_an_object_is_not_taken_for_the_whole(
    store: Store, s3_proxy: FaultProxy, tmp_path: Path
) -> None:
    headers = {"ETag": '"e"', "Content-Range": "bytes 0-1/100"}
    s3_proxy.break_with(method="GET", status=206, body=b"ab", headers=headers)
    with pytest.raises(StoreError, match="only a part"):
        store.read("key")
    with pytest.raises(StoreError, match="only a part"):
        store.download("key", tmp_path / "copy")


def test_a_refusal_without_a_code_of_s3_is_told_by_its_status(
    store: Store, s3_proxy: FaultProxy, tmp_path: Path
) -> None:
    s3_proxy.break_with(status=401, body=PAGE)
    for name, call in every_call(store, tmp_path).items():
        with pytest.raises(StoreError, match=r"S3 answered 40[13].*(ENDPOINT|grant)") as caught:
            call()
        assert "An error occurred" not in str(caught.value), name


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
