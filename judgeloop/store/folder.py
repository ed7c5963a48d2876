"""A store in a folder: a local disk, or a volume that several pods share."""

import errno
import os
import re
import shutil
import stat
import time
from contextlib import suppress
from pathlib import Path

from judgeloop.schema.errors import StoreError
from judgeloop.schema.home import expand_home
from judgeloop.store.base import (
    TEMPORARY_PREFIX,
    MissingObjectError,
    checked_key,
    checked_prefix,
    is_key,
)
from judgeloop.store.local_files import (
    copy_through,
    disk_errors_named,
    temporary_beside,
    write_through,
    write_whole,
)

_LEFT = re.compile(rf"{re.escape(TEMPORARY_PREFIX)}[0-9a-f]{{32}}")
_ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


class FolderStore:
    """A store with one file per object; the folder is created at the first write.

    `create` needs a file system with hard links, which local disks and NFS have; without them it
    raises, because any other way could expose half an object or let two writers win.
    """

    first_is_sure = True

    def __init__(self, root: Path) -> None:
        """Use `root` as a store; nothing is read or written yet.

        Args:
            root: A folder; `~` means the home of the user.
        """
        self._root = Path(os.path.abspath(expand_home(root)))
        self.uri = str(self._root)

    def read(self, key: str) -> bytes:
        """Return what is stored under `key`; see `Store.read`."""
        path = self._path(key)
        with disk_errors_named(f"read {path}"):
            try:
                # Reading a pipe would block, and a device may have no end.
                if not (path.is_file() or path.is_dir()) and path.exists():
                    raise StoreError(f"cannot read {path}: it is no file; remove it")
                return path.read_bytes()
            except _ABSENT as error:
                raise self._missing(key) from error

    def write(self, key: str, data: bytes) -> None:
        """Store `data` under `key`; see `Store.write`."""
        write_whole(self._path(key), data)

    def create(self, key: str, data: bytes) -> bool:
        """Store `data` under `key` if the key does not exist; see `Store.create`.

        Raises:
            StoreError: As in `Store.create`, or the file system has no hard links.
        """
        path = self._path(key)
        with disk_errors_named(f"create {path}"):
            if path.is_file():
                return False
            with temporary_beside(path) as temporary:
                write_through(temporary, data)
                return self._link(temporary, path)

    def exists(self, key: str) -> bool:
        """Return whether something is stored under `key`; see `Store.exists`."""
        path = self._path(key)
        with disk_errors_named(f"look for {path}"):
            return path.is_file()

    def list(self, prefix: str) -> list[str]:
        """Return the sorted keys below the folder `prefix`; see `Store.list`."""
        top = self._root / checked_prefix(prefix)

        def stop(error: OSError) -> None:
            # os.walk would skip an unreadable folder, and finished work would be repeated.
            if not isinstance(error, _ABSENT):
                raise error

        with disk_errors_named(f"list {top}"):
            found = (
                (Path(folder) / name).relative_to(self._root).as_posix()
                for folder, _, names in os.walk(top, onerror=stop)
                for name in names
            )
            return sorted(filter(is_key, found))

    def sizes(self, prefix: str) -> dict[str, int]:
        """Return the bytes of each object below `prefix`; see `Store.sizes`."""
        found = {}
        for key in self.list(prefix):
            with disk_errors_named(f"look at {self._path(key)}"), suppress(FileNotFoundError):
                if stat.S_ISREG((about := self._path(key).stat()).st_mode):
                    found[key] = about.st_size
        return found

    def delete(self, key: str) -> None:
        """Remove what is stored under `key`; see `Store.delete`."""
        path = self._path(key)
        with disk_errors_named(f"delete {path}"):
            if path.is_file():
                path.unlink(missing_ok=True)

    def upload(self, path: Path, key: str) -> None:
        """Store the file `path` under `key`; see `Store.upload`."""
        target = self._path(key)
        with (
            disk_errors_named(f"copy {path} to {target}"),
            temporary_beside(target) as temporary,
        ):
            copy_through(path, temporary)
            temporary.replace(target)

    def download(self, key: str, path: Path) -> None:
        """Copy what is stored under `key` to `path`; see `Store.download`."""
        source = self._path(key)
        if not self.exists(key):
            raise self._missing(key)
        with (
            disk_errors_named(f"copy {source} to {path}"),
            temporary_beside(path) as temporary,
        ):
            copy_through(source, temporary)
            temporary.replace(path)

    def unfinished(self) -> dict[str, float]:
        """Return the hidden files and folders of killed writers; see `Store.unfinished`."""
        found: dict[str, float] = {}
        with disk_errors_named(f"list {self._root}"):
            for folder, folders, names in os.walk(self._root):
                left = [name for name in (*folders, *names) if _LEFT.fullmatch(name)]
                for name in left:
                    path = Path(folder, name)
                    with suppress(FileNotFoundError):
                        age = time.time() - path.lstat().st_mtime
                        found[path.relative_to(self._root).as_posix()] = age
                folders[:] = [name for name in folders if name not in left]
        return dict(sorted(found.items()))

    def discard(self, name: str) -> None:
        """Remove a hidden file or folder; see `Store.discard`."""
        path = self._root / name
        if not _LEFT.fullmatch(path.name) or ".." in path.parts:
            raise StoreError(f"{path} is not an unfinished file of a killed writer")
        with disk_errors_named(f"delete {path}"), suppress(FileNotFoundError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def _path(self, key: str) -> Path:
        return self._root / checked_key(key)

    def _missing(self, key: str) -> MissingObjectError:
        return MissingObjectError(f"the store {self.uri} holds no object {key!r}")

    def _link(self, temporary: Path, path: Path) -> bool:
        try:
            os.link(temporary, path)
        except FileExistsError as error:
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)) from error
            return False
        except OSError as error:
            if error.errno in _NO_HARD_LINKS:
                raise StoreError(
                    f"cannot create {path}: its file system has no hard links, so it cannot tell "
                    "which writer was first; use a local disk, NFS or s3://bucket/prefix as the "
                    "store"
                ) from error
            raise
        return True
