"""Rejects responses that no S3 server sends: a web page, a truncated listing, a bare redirect.

botocore treats any 200 as success, and any answer without the expected elements as empty. So a
wrong address that answers everything with a page would look like a store that accepts everything
and holds nothing.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from judgeloop.schema.errors import StoreError

CHECK_ADDRESS = "check AWS_ENDPOINT_URL and any proxy between here and the store"
"""The remedy for such responses."""
EMPTY_PAGES = 1000
"""Consecutive pages without an entry after which a listing counts as endless.
"""
_NEXT = ("NextContinuationToken", "NextKeyMarker", "NextUploadIdMarker")
_WITH_ETAG = ("PutObject", "HeadObject", "GetObject", "UploadPart")
_PAGE = (b"<!doctype html", b"<html")
_REDIRECTS = (301, 302, 303, 307, 308)
_REGION = "x-amz-bucket-region"


class UnusableAnswerError(StoreError):
    """The answer does not follow the S3 protocol."""


def check_answers(client: Any) -> None:
    """Validate every later response to `client`.

    Args:
        client: A boto3 S3 client.
    """
    client.meta.events.register("after-call.s3", _check, unique_id="judgeloop-answers")
    client.meta.events.register_first(
        "needs-retry.s3.HeadBucket", _check_redirect, unique_id="judgeloop-redirects"
    )


def listed(item: dict[str, Any], below: str) -> tuple[str, int]:
    """Return an object's key and size in bytes from a listing.

    Args:
        item: One entry of `Contents`, as botocore parsed it.
        below: The requested prefix.

    Raises:
        UnusableAnswerError: It is not an object below the prefix.
    """
    key, size = item.get("Key"), item.get("Size")
    if not isinstance(key, str) or not key.startswith(below) or not isinstance(size, int):
        raise UnusableAnswerError(
            f"the listing holds keys outside the requested prefix: {CHECK_ADDRESS}"
        )
    if size < 0:
        raise UnusableAnswerError(f"the listing gives {key} {size} bytes: {CHECK_ADDRESS}")
    return key, size


def ended(pages: Iterable[dict[str, Any]], names: str, endpoint: str) -> Iterator[dict[str, Any]]:
    """Yields the entries of a listing's pages, and refuses a listing that does not end.

    A server that leads back to an earlier page, or to ever more pages with nothing new, would be
    followed forever. Empty pages alone are not an error: a server may skip many deleted objects.

    Args:
        pages: As botocore reads them, one request each.
        names: Name of the list of entries in a page, such as `Contents`.
        endpoint: Address of the server, for the message.

    Raises:
        UnusableAnswerError: A page leads where an earlier one led, holds only entries of earlier
            ones, or is the last of `EMPTY_PAGES` without entries.
    """
    led: set[str] = set()
    seen: set[tuple[Any, Any]] = set()
    empty = 0
    for number, page in enumerate(pages, start=1):
        entries = page.get(names, [])
        found = {(entry.get("Key"), entry.get("UploadId")) for entry in entries}
        empty = 0 if entries else empty + 1
        goes_on = bool(page.get("IsTruncated"))
        where = str([page.get(name) for name in _NEXT])
        if goes_on and (where in led or empty >= EMPTY_PAGES or (entries and found <= seen)):
            raise UnusableAnswerError(
                f"the listing of {endpoint} does not end: page {number} leads on and brings "
                f"nothing new ({len(seen)} entries so far); {CHECK_ADDRESS}"
            )
        led.add(where)
        seen |= found
        yield from entries


def refuse_part(answer: dict[str, Any]) -> None:
    """Refuses a partial object.

    Args:
        answer: The answer to a `GetObject` without a range, as botocore parsed it.

    Raises:
        UnusableAnswerError: It is a part of the object, as some caches return.
    """
    if answer.get("ContentRange"):
        answer["Body"].close()
        raise UnusableAnswerError(f"only a part of the object came: {CHECK_ADDRESS}")


def _check(http_response: Any, parsed: dict[str, Any], model: Any, **_: Any) -> None:
    if http_response.status_code >= 300:
        return  # botocore raises an error for it
    name = model.name
    # Not detected by Content-Type: a server may send that type for an empty body.
    if name != "GetObject" and http_response.content.lstrip()[:15].lower().startswith(_PAGE):
        raise UnusableAnswerError(f"a web page came instead of S3's answer: {CHECK_ADDRESS}")
    if name in _WITH_ETAG and not parsed.get("ETag"):
        raise UnusableAnswerError(f"the answer has no ETag, as all of S3's have: {CHECK_ADDRESS}")
    if name == "ListObjectsV2":
        _check_listing(parsed)


def _check_listing(page: dict[str, Any]) -> None:
    if "IsTruncated" not in page and "Name" not in page:
        raise UnusableAnswerError(f"the answer is no listing: {CHECK_ADDRESS}")
    if page.get("IsTruncated") and not page.get("NextContinuationToken"):
        raise UnusableAnswerError(
            "the listing is incomplete: it is truncated and has no continuation token; "
            "the server does not know ListObjectsV2, use another version of it or another store"
        )


def _check_redirect(response: tuple[Any, dict[str, Any]] | None, **_: Any) -> None:
    """Refuse a redirect for which botocore would query the bucket's region forever."""
    if response is None or response[0].status_code not in _REDIRECTS:
        return
    headers = response[0].headers
    if _REGION not in headers:
        raise UnusableAnswerError(
            f"the endpoint redirects to {headers.get('location', 'no address')!r} and names no "
            f"region: {CHECK_ADDRESS}"
        )
