"""Whole files on the local disk: written to a temporary file in the same folder, then renamed."""

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from judgeloop.schema.errors import StoreError
from judgeloop.store.base import TEMPORARY_PREFIX

_REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space or use another store",
    errno.EDQUOT: "the quota is used up: free some space or use another store",
    errno.EFBIG: "the file is larger than the system allows: raise the limit (ulimit -f)",
    errno.EACCES: "give this user permission to read and write there",
    errno.EPERM: "give this user permission to read and write there",
    errno.EROFS: "the disk is mounted read-only: mount it writable or use another store",
    errno.EIO: "the disk reports a fault: check it or use another store",
    errno.ENAMETOOLONG: "use a shorter name",
    errno.ENOTDIR: "a file is where a folder is needed: move it away",
    errno.EEXIST: "a file is where a folder is needed: move it away",
    errno.EISDIR: "a folder is where a file is needed: move it away",
    errno.ENOENT: "check the path",
}
_DISK_S_OWN = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO,
    errno.ENAMETOOLONG,
)  # fmt: skip
"""Errors of the disk, whatever was requested; a missing file may be the caller's error."""


def disk_failure(error: OSError) -> str | None:
    """Describe an error of a disk that is full, read-only or broken, with a remedy.

    Args:
        error: Any exception.

    Returns:
        A sentence; None for an error of another kind.
    """
    if error.errno not in _DISK_S_OWN:
        return None
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror}: {_REMEDIES[error.errno]}"


@contextmanager
def disk_errors_named(action: str) -> Iterator[None]:
    """Turn errors of the operating system into a `StoreError` that says what to do.

    Args:
        action: What is being done and where, such as `write /data/store/a.json`.

    Raises:
        StoreError: The block raised an `OSError`.
    """
    try:
        yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "check the disk")
        raise StoreError(f"cannot {action}: {error.strerror or error}; {remedy}") from error


@contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """Give the name of a hidden file in the folder of `path`, and remove that file at the end.

    Being in the same folder, it can be moved or linked to `path` in one step. The folder is created
    if needed; the file is not, so that whoever writes it gets the usual permissions.

    Args:
        path: Final path of the finished file.

    Raises:
        OSError: The folder cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
    try:
        yield temporary
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def write_through(path: Path, data: bytes) -> None:
    """Write a new file and sync it to disk.

    Without the sync, a power loss after the rename could leave an empty file under the final name.

    Args:
        path: A file that does not exist yet.
        data: Its content.

    Raises:
        OSError: The file exists or cannot be written.
    """
    with path.open("xb") as sink:
        sink.write(data)
        sink.flush()
        os.fsync(sink.fileno())


def write_whole(path: Path, data: bytes) -> None:
    """Write a file atomically, replacing an existing one.

    Args:
        path: The file; its folder is created.
        data: Its content.

    Raises:
        StoreError: It cannot be written; what was there before is unchanged.
    """
    with disk_errors_named(f"write {path}"), temporary_beside(path) as temporary:
        write_through(temporary, data)
        temporary.replace(path)


def copy_through(source: Path, path: Path) -> None:
    """Copy a file of any size in constant memory and sync it to disk.

    Args:
        source: The file to copy.
        path: A file that does not exist yet.

    Raises:
        OSError: `source` cannot be read, or `path` exists or cannot be written.
    """
    with source.open("rb") as reader, path.open("xb") as sink:
        shutil.copyfileobj(reader, sink, length=1024 * 1024)
        sink.flush()
        os.fsync(sink.fileno())
