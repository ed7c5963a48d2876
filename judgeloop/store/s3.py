"""A store in an S3 bucket, or on any server with the S3 protocol (MinIO, Ceph).

Credentials, region, endpoint, addressing style and checksums come from the standard AWS variables
and files only (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, `AWS_CONFIG_FILE`, a pod's role, ...).
`s3_dialect.py` leaves out the parts of a request that a server does not understand.
"""

import base64
import hashlib
import itertools
import logging
import os
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from judgeloop.schema.errors import StoreError
from judgeloop.store.base import MissingObjectError, checked_key, checked_prefix, is_key
from judgeloop.store.checksums import sha256_bytes, sha256_file
from judgeloop.store.local_files import disk_errors_named, temporary_beside
from judgeloop.store.s3_answers import check_answers, ended, listed, refuse_part
from judgeloop.store.s3_dialect import Dialect, encryption
from judgeloop.store.s3_errors import (
    REPLACE,
    WrongBytesError,
    error_code,
    is_absent,
    is_refusal,
    s3_errors_named,
    status,
    tries,
    without_password,
)
from judgeloop.store.s3_retries import until_decided, until_whole

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 60
ATTEMPTS = 11
"""Tries of one request: botocore waits up to 51 s between them, up to 131 s where it is throttled.
`AWS_MAX_ATTEMPTS` sets another number."""
PART_BYTES = 8 * 1024 * 1024
PARTS_AT_ONCE = 4
"""An upload or a download of any size keeps this many parts in memory, never the object."""

UPLOAD = "?uploadId="
"""Separates key and id in the names of unfinished uploads."""
_SHA256 = "sha256"  # user metadata: the hash of the whole object, also after a multipart upload
_log = logging.getLogger(__name__)


def s3_client() -> Any:
    """Create a boto3 client with retries and timeouts that suit long runs.

    Returns:
        A boto3 S3 client; it may be shared by threads, not by processes.

    Raises:
        StoreError: boto3 is not installed, or the AWS settings are invalid.
    """
    try:
        import boto3
        import botocore.session
        from botocore.config import Config
    except ImportError as error:
        raise StoreError("a store at s3:// needs boto3: pip install boto3") from error
    with s3_errors_named("open", "s3://"):
        try:
            settings = botocore.session.get_session()
            attempts = settings.get_config_variable("max_attempts") or ATTEMPTS
            return boto3.session.Session(botocore_session=settings).client(
                "s3",
                config=Config(
                    connect_timeout=CONNECT_TIMEOUT_S,
                    read_timeout=READ_TIMEOUT_S,
                    retries={"mode": "standard", "total_max_attempts": attempts},
                ),
            )
        except ValueError as error:  # botocore's error for an endpoint that is not a URL
            raise StoreError(
                f"cannot open s3://: {without_password(str(error))}; correct AWS_ENDPOINT_URL"
            ) from error


class S3Store:
    """A store with one S3 object per object; every write carries its SHA-256."""

    def __init__(self, client: Any, bucket: str, prefix: str = "") -> None:
        """Use the keys below `prefix` of a bucket; no request is sent yet.

        Args:
            client: A boto3 S3 client, as `s3_client` makes it.
            bucket: The name of an existing bucket.
            prefix: The folder in the bucket below which all keys lie; empty means the whole bucket.

        Raises:
            StoreError: The prefix would be refused as a key, or the encryption settings are
                invalid.
        """
        self._client = client
        self._bucket = bucket
        self._encryption = encryption()
        self._below = f"{checked_key(prefix)}/" if prefix else ""
        self._conditional: bool | None = None  # None until the server's behavior is known
        self._seen = False  # whether the bucket is known to exist
        self.uri = f"s3://{bucket}/{prefix}".removesuffix("/")
        self._dialect = Dialect(client, self.uri)
        self._endpoint = without_password(client.meta.endpoint_url)
        check_answers(client)

    @property
    def first_is_sure(self) -> bool:
        """Whether S3 is known to decide who was first; see `Store.first_is_sure`."""
        return self._conditional is True

    def read(self, key: str) -> bytes:
        """Return what is stored under `key`; see `Store.read`."""
        place = self._place(key)
        with s3_errors_named("read", self._uri(key)):
            return self._dialect.understood(lambda: until_whole(lambda: self._get(place)))

    def write(self, key: str, data: bytes) -> None:
        """Store `data` under `key`; see `Store.write`."""
        place = self._place(key)
        with s3_errors_named("write", self._uri(key)):
            self._put(place, data)

    def create(self, key: str, data: bytes) -> bool:
        """Store `data` under `key` if the key does not exist; see `Store.create`.

        S3 itself decides who was first (`If-None-Match: *`). Whether an endpoint supports this is
        tested once, with the first object of a process. An endpoint that refuses or ignores that
        header gives a weaker guarantee: the object is looked up before it is written, so of two
        simultaneous writers both may get True, and the later one's bytes stay.

        Raises:
            StoreError: As in `Store.create`.
        """
        place = self._place(key)
        with s3_errors_named("create", self._uri(key)):
            counted = itertools.count()
            stored = until_decided(lambda: self._put_if_first(place, data, again=next(counted) > 0))
        if stored is not None:
            return stored
        raise StoreError(f"cannot create {self._uri(key)}: other writers keep S3 busy; try again")

    def exists(self, key: str) -> bool:
        """Return whether something is stored under `key`; see `Store.exists`."""
        place = self._place(key)
        with s3_errors_named("look for", self._uri(key)):
            return self._is_there(place)

    def list(self, prefix: str) -> list[str]:
        """Return the sorted keys below the folder `prefix`; see `Store.list`."""
        return list(self.sizes(prefix))

    def sizes(self, prefix: str) -> dict[str, int]:
        """Return the bytes of each object below `prefix`; see `Store.sizes`."""
        folder = checked_prefix(prefix)
        below = f"{self._below}{folder}/" if folder else self._below
        with s3_errors_named("list", f"s3://{self._bucket}/{below}"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=below
            )
            found = dict(listed(item, below) for item in ended(pages, "Contents", self._endpoint))
        # Names that are no valid keys, such as a console's marker of an empty folder, `a/`.
        return {
            key: found[self._below + key]
            for key in sorted(name.removeprefix(self._below) for name in found)
            if is_key(key)
        }

    def delete(self, key: str) -> None:
        """Remove what is stored under `key`; see `Store.delete`."""
        place = self._place(key)
        # Google's server reports an error for a missing object, Amazon's does not.
        with suppress(MissingObjectError), s3_errors_named("delete", self._uri(key)):
            self._client.delete_object(**place)

    def upload(self, path: Path, key: str) -> None:
        """Store the file `path` under `key`, in parts where it is large; see `Store.upload`."""
        place = self._place(key)
        with (
            disk_errors_named(f"upload {path} to {self._uri(key)}"),
            s3_errors_named(f"upload {path} to", self._uri(key)),
        ):
            digest = sha256_file(path)
            self._dialect.understood(lambda: until_whole(lambda: self._send(path, place, digest)))

    def download(self, key: str, path: Path) -> None:
        """Copy what is stored under `key` to `path`; see `Store.download`."""
        place = self._place(key)
        uri = self._uri(key)
        with (
            disk_errors_named(f"download {uri} to {path}"),
            s3_errors_named("download", uri),
            temporary_beside(path) as temporary,
        ):
            self._dialect.understood(lambda: until_whole(lambda: self._fetch(place, temporary)))
            temporary.replace(path)

    def unfinished(self) -> dict[str, float]:
        """Return the multipart uploads that were never completed; see `Store.unfinished`."""
        now = datetime.now(UTC)
        with s3_errors_named("list the uploads below", self.uri):
            pages = self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._bucket, Prefix=self._below
            )
            found = {
                f"{it['Key'].removeprefix(self._below)}{UPLOAD}{it['UploadId']}": it["Initiated"]
                for it in ended(pages, "Uploads", self._endpoint)
            }
            return {name: (now - found[name]).total_seconds() for name in sorted(found)}

    def discard(self, name: str) -> None:
        """Abort a multipart upload; see `Store.discard`."""
        key, _, upload = name.rpartition(UPLOAD)
        place = self._place(key)
        with suppress(MissingObjectError), s3_errors_named("abort the upload of", self._uri(key)):
            self._client.abort_multipart_upload(**place, UploadId=upload)

    def _place(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._below + checked_key(key)}

    def _uri(self, key: str) -> str:
        return f"s3://{self._bucket}/{self._below}{key}"

    def _get(self, place: dict[str, str]) -> bytes:
        return self._body(place, self._open(place))

    def _open(self, place: dict[str, str]) -> dict[str, Any]:
        from botocore.exceptions import ClientError

        try:
            answer: dict[str, Any] = self._client.get_object(**place)
        except ClientError as error:
            if error_code(error) == "404":  # no S3 error code, so perhaps not an S3 server
                self._see()
            raise
        self._seen = True
        refuse_part(answer)
        return answer

    def _body(self, place: dict[str, str], answer: dict[str, Any]) -> bytes:
        from botocore.exceptions import ReadTimeoutError, ResponseStreamingError

        try:
            with closing(answer["Body"]) as body:
                data: bytes = body.read()
        except ReadTimeoutError as error:  # botocore retries only what stalls before the body
            raise ResponseStreamingError(error=error) from error
        _check(place, answer, sha256_bytes(data))
        return data

    def _put(self, place: dict[str, str], data: bytes, **condition: str) -> None:
        def put() -> None:
            self._client.put_object(
                **place,
                Body=data,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=base64.b64encode(hashlib.sha256(data).digest()).decode(),
                Metadata={_SHA256: sha256_bytes(data)},
                **self._encryption,
                **condition,
            )

        self._dialect.understood(lambda: until_whole(put))

    def _send(self, path: Path, place: dict[str, str], digest: str) -> None:
        from botocore.exceptions import ClientError

        extra = {"ChecksumAlgorithm": "SHA256", "Metadata": {_SHA256: digest}, **self._encryption}
        try:
            with path.open("rb") as source:
                self._client.upload_fileobj(source, **place, ExtraArgs=extra, Config=_transfer())
        except ClientError as error:
            # The upload is gone if its completion succeeded, but the answer was lost.
            if error_code(error) != "NoSuchUpload" or not self._holds(place, digest):
                raise

    def _fetch(self, place: dict[str, str], path: Path) -> None:
        answer = self._open(place)
        if answer["ContentLength"] > PART_BYTES:
            answer["Body"].close()
            return self._fetch_parts(place, answer, path)
        data = self._body(place, answer)
        with path.open("wb") as sink:
            sink.write(data)
            sink.flush()
            os.fsync(sink.fileno())

    def _fetch_parts(self, place: dict[str, str], answer: dict[str, Any], path: Path) -> None:
        with path.open("wb") as sink:
            self._client.download_fileobj(Fileobj=sink, **place, Config=_transfer())
            sink.flush()
            os.fsync(sink.fileno())
        # Parts are fetched as ranges, which carry no checksum; so the whole is checked here.
        if _SHA256 in answer["Metadata"]:
            _check(place, answer, sha256_file(path))

    def _head(self, place: dict[str, str]) -> dict[str, Any]:
        from botocore.exceptions import ClientError

        try:
            answer: dict[str, Any] = self._client.head_object(**place)
        except ClientError as error:
            if not (is_absent(error) and self._seen) and status(error) < 500:
                # An answer to HEAD has no body, so no reason; the refusal of a listing has one.
                self._see()
            raise
        return answer

    def _see(self) -> None:
        """Check that the bucket exists; raises the server's error."""
        self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._below, MaxKeys=1)
        self._seen = True

    def _is_there(self, place: dict[str, str]) -> bool:
        from botocore.exceptions import ClientError

        try:
            self._dialect.understood(lambda: self._head(place))
        except ClientError as error:
            if is_absent(error):
                return False
            raise
        return True

    def _holds(self, place: dict[str, str], digest: str) -> bool:
        """Return whether an object exists and was stored with this SHA-256."""
        from botocore.exceptions import ClientError

        try:
            metadata: dict[str, str] = self._head(place)["Metadata"]
        except ClientError as error:
            if is_absent(error):
                return False
            raise
        return metadata.get(_SHA256) == digest

    def _put_if_first(self, place: dict[str, str], data: bytes, again: bool) -> bool | None:
        """Put once: True if stored, False if another was first, None if worth another try."""
        if not self._conditional and self._is_there(place):
            return False
        if self._conditional is False:
            self._put(place, data)
            return True
        stored = self._put_on_condition(place, data, again)
        if stored and self._conditional is None:
            # Repeat the put: a server that honors the condition refuses it; one that does not has
            # just overwritten the object with the same bytes.
            twice = self._put_on_condition(place, data, again=False)
            if twice and self._conditional is None:
                self._do_without_condition()
        return stored

    def _put_on_condition(self, place: dict[str, str], data: bytes, again: bool) -> bool | None:
        from botocore.exceptions import ClientError

        try:
            self._put(place, data, IfNoneMatch="*")
        except ClientError as error:
            code = error_code(error)
            if code in ("PreconditionFailed", "412"):
                self._conditional = True
                # An earlier try of this call may have been first, with its answer lost.
                return (again or tries(error) > 1) and self._holds(place, sha256_bytes(data))
            if self._conditional is None and is_refusal(error):
                # Looked up before. If this is refused too, the condition was not the reason.
                self._put(place, data)
                self._do_without_condition()
                return True
            if code in ("ConditionalRequestConflict", "409"):
                return None  # another write or delete of the key was in progress
            raise
        return True

    def _do_without_condition(self) -> None:
        _log.warning("store=%s has no conditional put, so create promises less", self.uri)
        self._conditional = False


def _check(place: dict[str, str], answer: dict[str, Any], found: str) -> None:
    expected = answer["Metadata"].get(_SHA256)
    if expected and found != expected:
        raise WrongBytesError(
            f"cannot use s3://{place['Bucket']}/{place['Key']}: the bytes do not have their "
            f"checksum {expected}; {REPLACE}"
        )


def _transfer() -> Any:
    from boto3.s3.transfer import TransferConfig

    return TransferConfig(
        multipart_threshold=PART_BYTES,
        multipart_chunksize=PART_BYTES,
        max_concurrency=PARTS_AT_ONCE,
        preferred_transfer_client="classic",  # the same on every machine
    )
