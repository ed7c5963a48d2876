"""Opens a store by its address."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from judgeloop.schema.errors import ConfigError
from judgeloop.schema.local_path import why_no_path
from judgeloop.store.base import Store
from judgeloop.store.folder import FolderStore
from judgeloop.store.s3 import S3Store, s3_client

_WORKING = "use a folder's path, file:///absolute/path or s3://bucket/prefix"


def open_store(uri: str) -> Store:
    """Open the store at an address; nothing is written yet.

    Args:
        uri: A folder's path, `file:///absolute/path`, `s3://bucket` or `s3://bucket/prefix`.

    Raises:
        ConfigError: The address does not name a store.
        StoreError: boto3 is missing, or the AWS settings or the prefix cannot be used.
    """
    if is_path(uri):
        if not uri.strip() or "\0" in uri:
            raise ConfigError(f"the store {uri!r} is not a path: {_WORKING}")
        return FolderStore(Path(uri))
    if uri.startswith("file://"):
        return FolderStore(_file_path(uri))
    if uri.startswith("s3://"):
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        if not bucket:
            raise ConfigError(f"the store {uri!r} names no bucket: {_WORKING}")
        return S3Store(s3_client(), bucket, prefix.removesuffix("/"))
    why = str(why_no_path(uri)).partition(",")[0]
    raise ConfigError(f"the store {uri!r} {why} and cannot be opened: {_WORKING}")


def is_path(uri: str) -> bool:
    """Returns whether a store's address is a folder's path; other addresses may be invalid."""
    return why_no_path(uri) is None


def _file_path(uri: str) -> Path:
    parts = urlsplit(uri)
    path = unquote(parts.path)
    if parts.netloc not in ("", "localhost") or not path or "\0" in path:
        raise ConfigError(
            f"the store {uri!r} is not on a local disk, since {parts.netloc or 'nothing'!r} stands "
            f"where the machine does: {_WORKING}"
        )
    return Path(path)
