"""Adapts requests to the optional features that an S3 server supports.

Amazon's SDKs send a checksum header with every upload since 2025, which Backblaze B2, OVHcloud,
Cloudflare R2 and older Ceph, MinIO and Storj gateways refuse, each with a message of its own; over
https the SDK puts it into a trailer, which more of them refuse. Buckets with an object lock require
a checksum or `Content-MD5`, buckets with a policy may require encryption headers. docs/s3.md lists
the servers, with sources.

botocore's own settings of the user (`AWS_REQUEST_CHECKSUM_CALCULATION`) are respected. If the
server refuses a request, it is sent once more without the checksum, or with `Content-MD5` if the
server asks for that; what worked is used for the life of the store and logged once.
"""

import base64
import hashlib
import logging
import os
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from judgeloop.schema.errors import StoreError
from judgeloop.store.s3_errors import error_code, error_message, is_refusal, status

T = TypeVar("T")
ENCRYPTION = "JUDGELOOP_S3_ENCRYPTION"
"""Environment variable: how the server encrypts what is stored, one of `ENCRYPTIONS`."""
ENCRYPTIONS = ("AES256", "aws:kms", "aws:kms:dsse")
KMS_KEY = "JUDGELOOP_S3_KMS_KEY"
"""Environment variable: id or ARN of the key for `aws:kms`; without it the account's is used."""
_CHECKSUM_HEADERS = ("x-amz-checksum-", "x-amz-sdk-checksum-", "x-amz-trailer")
_WITH_BODY = ("PutObject", "UploadPart", "CompleteMultipartUpload")
_ACCEPTED = (404, 409, 412)
"""Statuses of a server that has understood the request."""
_UNSIGNED = ("SignatureDoesNotMatch", "AuthorizationHeaderMalformed")
"""Also codes of servers that compute the signature without headers that they do not know."""
_BLOCK = 1024 * 1024
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Headers:
    """The optional headers that are sent to a server."""

    checksums: bool
    """`x-amz-checksum-*` and `x-amz-sdk-checksum-algorithm`."""
    md5: bool = False
    """`Content-MD5`."""

    def after(self, error: Exception) -> "_Headers | None":
        """Return the headers to try after a refusal, or None if there are no others."""
        if re.search("content-?md5", f"{error_code(error)} {error_message(error)}", re.IGNORECASE):
            return None if self.md5 else replace(self, md5=True)
        refused = is_refusal(error) or error_code(error) in _UNSIGNED
        return replace(self, checksums=False) if self.checksums and refused else None


class Dialect:
    """Adapts the requests of a client to one server; thread-safe."""

    def __init__(self, client: Any, name: str) -> None:
        """Adapt the requests of `client` from now on.

        Args:
            client: A boto3 S3 client.
            name: Name of the store in the log, such as `s3://bucket/prefix`.
        """
        self._name = name
        wanted = client.meta.config.request_checksum_calculation == "when_supported"
        self._spoken = _Headers(checksums=wanted)
        self._lock = threading.RLock()
        client.meta.events.register("before-call.s3", self._shape, unique_id=f"dialect-{id(self)}")

    def understood(self, call: Callable[[], T]) -> T:
        """Make a call; if the server refuses it, repeat it in the ways that other servers need.

        Args:
            call: Sends requests; it must be idempotent.

        Returns:
            What `call` returned.

        Raises:
            ClientError: The error of the first try, if no other way worked.
        """
        from botocore.exceptions import ClientError

        before = self._spoken
        try:
            return call()
        except ClientError as error:
            return self._otherwise(call, before, error)

    def _otherwise(self, call: Callable[[], T], before: _Headers, refused: Exception) -> T:
        from botocore.exceptions import ClientError

        with self._lock:
            if before != self._spoken:  # another thread has adapted meanwhile
                return call()
            error = refused
            while (spoken := self._spoken.after(error)) is not None:
                self._spoken = spoken
                try:
                    result = call()
                except ClientError as again:
                    if status(again) in _ACCEPTED:
                        self._say(before)
                        raise
                    error = again
                except Exception:
                    self._spoken = before  # nothing was learned
                    raise
                else:
                    self._say(before)
                    return result
            self._spoken = before
            raise refused

    def _say(self, before: _Headers) -> None:
        if before.checksums and not self._spoken.checksums:
            _log.warning(
                "store=%s refuses S3's checksum headers: they are left out from now on (set "
                "AWS_REQUEST_CHECKSUM_CALCULATION=when_required to save the first try)",
                self._name,
            )
        if self._spoken.md5 and not before.md5:
            _log.warning("store=%s wants Content-MD5: it is sent from now on", self._name)

    def _shape(self, model: Any, params: dict[str, Any], **_: Any) -> None:
        """Change a request before it is signed; botocore's event `before-call`."""
        checksum = params.get("context", {}).get("checksum", {})
        if not self._spoken.checksums:
            checksum.pop("request_algorithm", None)
            checksum.pop("request_algorithm_header", None)
            for header in [name for name in params["headers"] if _is_checksum(name)]:
                del params["headers"][header]
        elif isinstance(checksum.get("request_algorithm"), dict):
            # As a header over https too, where botocore would send a trailer.
            checksum["request_algorithm"]["in"] = "header"
        if self._spoken.md5 and model.name in _WITH_BODY:
            params["headers"]["Content-MD5"] = _md5(params["body"])


def encryption(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the encryption that a bucket's policy demands, as parameters of a put or an upload.

    Args:
        environment: Variables, with `JUDGELOOP_S3_ENCRYPTION` and `JUDGELOOP_S3_KMS_KEY`.

    Returns:
        Nothing if the first is not set: then the bucket's default applies.

    Raises:
        StoreError: One of them is invalid.
    """
    kind, key = environment.get(ENCRYPTION, ""), environment.get(KMS_KEY, "")
    if not kind and not key:
        return {}
    if kind not in ENCRYPTIONS:
        raise StoreError(f"{ENCRYPTION} is {kind!r}: set it to one of {', '.join(ENCRYPTIONS)}")
    if not key:
        return {"ServerSideEncryption": kind}
    if kind == "AES256":
        raise StoreError(f"{KMS_KEY} needs {ENCRYPTION}=aws:kms: S3 holds the key of AES256 itself")
    return {"ServerSideEncryption": kind, "SSEKMSKeyId": key}


def _is_checksum(header: str) -> bool:
    return header.lower().startswith(_CHECKSUM_HEADERS)


def _md5(body: Any) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    if isinstance(body, bytes | bytearray):
        digest.update(body)
    elif body:
        start = body.tell()
        while block := body.read(_BLOCK):
            digest.update(block)
        body.seek(start)
    return base64.b64encode(digest.digest()).decode()
