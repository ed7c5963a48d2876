"""S3 servers that do not do all that Amazon's does, over TLS: a quirk is a function of a request.

The words and statuses are those of the servers' users' reports, which docs/s3.md names.
"""

import re
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from tests.fault_proxy import FaultProxy, Request
from tests.s3_server import S3Server

Quirk = Callable[[Request], tuple[int, bytes] | None]
HOST = "s3.vendor.test"
"""A name that only the tests' own resolver knows, so that buckets may stand before it."""


def _error(code: str, message: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


def _checksum_header(request: Request) -> str | None:
    names = ("x-amz-checksum-", "x-amz-sdk-checksum-", "x-amz-trailer")
    return next((name for name in request.headers if name.startswith(names)), None)


def backblaze(request: Request) -> tuple[int, bytes] | None:
    if header := _checksum_header(request):
        said = f"Unsupported header '{header}' received for this API call."
        return 400, _error("InvalidArgument", said)
    return None


def cloudflare(request: Request) -> tuple[int, bytes] | None:
    if (header := _checksum_header(request)) and request.method in ("PUT", "POST"):
        return 501, _error("NotImplemented", f"Header '{header}' with value 'x' not implemented")
    return None


def no_trailers(request: Request) -> tuple[int, bytes] | None:
    """Older Ceph and Storj gateways."""
    if "x-amz-trailer" in request.headers or request.headers.get("transfer-encoding"):
        return 411, _error("MissingContentLength", "Unknown")
    return None


def other_signature(request: Request) -> tuple[int, bytes] | None:
    if request.method == "PUT" and _checksum_header(request):
        return 403, _error("SignatureDoesNotMatch", "The signature does not match.")
    return None


def bad_request(request: Request) -> tuple[int, bytes] | None:
    """Without a code: what a proxy before the server says."""
    return (400, b"") if request.method == "PUT" and _checksum_header(request) else None


def no_condition(request: Request) -> tuple[int, bytes] | None:
    if "if-none-match" in request.headers:
        return 400, _error("InvalidArgument", "If-None-Match is not supported.")
    return None


def neither(request: Request) -> tuple[int, bytes] | None:
    """Alibaba: 501 for both."""
    if _checksum_header(request) or "if-none-match" in request.headers:
        said = "A header you provided implies functionality that is not implemented"
        return 501, _error("NotImplemented", said)
    return None


def object_lock(request: Request) -> tuple[int, bytes] | None:
    """An object lock, on a server that knows no checksum but MD5."""
    if header := _checksum_header(request):
        return 400, _error("InvalidArgument", f"Unsupported header '{header}'")
    if request.method == "PUT" and "content-md5" not in request.headers:
        said = "Content-MD5 HTTP header is required for Put Object requests with Object Lock"
        return 400, _error("InvalidRequest", said)
    return completion_with_md5(request)


def completion_with_md5(request: Request) -> tuple[int, bytes] | None:
    completes = request.method == "POST" and "uploadId" in request.path
    if completes and "content-md5" not in request.headers:
        return 400, _error("MissingContentMD5", "Missing required header for this request.")
    return None


def encrypted(request: Request) -> tuple[int, bytes] | None:
    """A bucket policy that denies what is not encrypted with a key of one's own."""
    begins = (request.method == "PUT" and "partNumber" not in request.path) or re.search(
        "[?&]uploads", request.path
    )
    if begins and (
        request.headers.get("x-amz-server-side-encryption") != "aws:kms"
        or request.headers.get("x-amz-server-side-encryption-aws-kms-key-id") != "key-1"
    ):
        return 403, _error("AccessDenied", "explicit deny in a resource-based policy")
    return None


def bucket_in_host(request: Request) -> tuple[int, bytes] | None:
    """Alibaba OSS, Tencent COS."""
    if not _bucket(request):
        said = "Please use virtual hosted style to access."
        return 403, _error("SecondLevelDomainForbidden", said)
    return None


def _bucket(request: Request) -> str:
    return request.headers["host"].partition(":")[0].removesuffix(HOST).removesuffix(".")


def _bucket_in_path(request: Request) -> str:
    if f".{HOST}" not in request.headers["host"]:
        return request.path
    return f"/{_bucket(request)}" + request.path.replace("/?", "?", 1)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A server's certificate, and the file of the authority that signed it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", HOST, f"*.{HOST}").configure_cert(context)
    file = tmp_path_factory.mktemp("authority") / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    return context, file


@pytest.fixture
def vendor(
    s3_uri: str,
    s3_server: S3Server,
    fault_proxy: type[FaultProxy],
    certificates: tuple[ssl.SSLContext, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> FaultProxy:
    """A server behind TLS, to which the AWS variables now lead; a test sets its quirk."""
    context, authority = certificates
    proxy = fault_proxy(s3_server.url, context)
    proxy.place = _bucket_in_path
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority))
    return proxy
