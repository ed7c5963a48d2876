"""Stores whole folders, such as an adapter: the files first, their checksums last.

`checksums.json` is written when everything else is there, so its existence means that the upload
was finished, and a download can verify its bytes.
"""

import shutil
from pathlib import Path

import msgspec

from judgeloop.schema.decoding import decodable
from judgeloop.schema.errors import StoreError
from judgeloop.store.base import MissingObjectError, Store, checked_key
from judgeloop.store.checksums import sha256_file
from judgeloop.store.local_files import disk_errors_named, temporary_beside

CHECKSUMS = "checksums.json"


class FileChecksum(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Checksum and size of one file of a folder."""

    sha256: str
    """64 hexadecimal characters."""
    bytes: int
    """Size of the file in bytes."""


def upload_folder(store: Store, folder: Path, key: str) -> dict[str, FileChecksum]:
    """Store every file below `folder` under `key`, and last `checksums.json`.

    Args:
        store: The store to write to.
        folder: A folder with at least one file; links are followed to files, not into folders.
        key: The folder in the store.

    Returns:
        Checksums by name relative to `folder`, sorted by name.

    Raises:
        StoreError: The folder is absent or empty, holds a `checksums.json` or a name that no key
            may have, or the store cannot be written.
    """
    checksums = folder_checksums(folder)
    if not checksums:
        raise StoreError(f"cannot store {folder}: there is no file in it")
    if CHECKSUMS in checksums:
        raise StoreError(f"cannot store {folder}: the name {CHECKSUMS} is taken; rename that file")
    for name in checksums:
        store.upload(folder / name, f"{key}/{name}")
    store.write(f"{key}/{CHECKSUMS}", msgspec.json.format(msgspec.json.encode(checksums), indent=1))
    return checksums


def download_folder(store: Store, key: str, folder: Path) -> None:
    """Download a folder from a store and verify its checksums; `folder` appears atomically.

    An existing folder is accepted if it holds exactly the same files.

    Args:
        store: The store to read from.
        key: The folder in the store, as `upload_folder` wrote it.
        folder: The local folder.

    Raises:
        MissingObjectError: There is no such folder in the store, or its upload was not finished.
        StoreError: A file has other bytes than its checksum says, `folder` holds other files, or
            something cannot be read or written.
    """
    expected = stored_checksums(store, key)
    if _is_there(folder, expected):
        return
    with (
        disk_errors_named(f"download {store.uri}/{key} to {folder}"),
        temporary_beside(folder) as temporary,
    ):
        try:
            _fetch(store, key, expected, temporary)
            temporary.rename(folder)
        except OSError:
            if not _is_there(folder, expected):  # else another process was faster
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def folder_checksums(folder: Path) -> dict[str, FileChecksum]:
    """Hash every file below a folder.

    Args:
        folder: A folder on the local disk.

    Returns:
        Checksums by name relative to `folder`, sorted by name.

    Raises:
        StoreError: There is no such folder, a file cannot be read or no key may have its name.
    """
    if not folder.is_dir():
        raise StoreError(f"there is no folder {folder}: check the path")
    with disk_errors_named(f"read {folder}"):
        names = sorted(
            checked_key(path.relative_to(folder).as_posix())
            for path in folder.rglob("*")
            if path.is_file()
        )
        return {
            name: FileChecksum(sha256_file(folder / name), (folder / name).stat().st_size)
            for name in names
        }


def stored_checksums(store: Store, key: str) -> dict[str, FileChecksum]:
    """Read the checksums that `upload_folder` wrote last.

    Args:
        store: The store to read from.
        key: The folder in the store.

    Returns:
        Checksums by name relative to the folder.

    Raises:
        MissingObjectError: There is no such folder in the store, or its upload was not finished.
        StoreError: The store cannot be read, or the file holds no checksums of safe names.
    """
    where = f"{store.uri}/{key}"
    try:
        text = store.read(f"{key}/{CHECKSUMS}")
    except MissingObjectError as error:
        raise MissingObjectError(
            f"{where} is no complete folder: it has no {CHECKSUMS}; store it again"
        ) from error
    try:
        checksums = msgspec.json.decode(text, type=decodable(dict[str, FileChecksum]))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StoreError(f"{where}/{CHECKSUMS} cannot be read: {error}; store it again") from error
    for name in checksums:
        checked_key(name)
    return checksums


def _is_there(folder: Path, expected: dict[str, FileChecksum]) -> bool:
    if not folder.is_dir():
        return False
    found = folder_checksums(folder)
    if found and found != expected:
        differing = sorted(
            name for name in found | expected if found.get(name) != expected.get(name)
        )
        raise StoreError(
            f"{folder} holds other files than the store ({', '.join(differing[:5])}): delete it "
            "or choose another folder"
        )
    return bool(found)


def _fetch(store: Store, key: str, expected: dict[str, FileChecksum], folder: Path) -> None:
    for name, checksum in expected.items():
        path = folder / name
        store.download(f"{key}/{name}", path)
        found = FileChecksum(sha256_file(path), path.stat().st_size)
        if found != checksum:
            raise StoreError(
                f"{store.uri}/{key}/{name} has {found.bytes} bytes with SHA-256 {found.sha256}, "
                f"but {CHECKSUMS} says {checksum.bytes} with {checksum.sha256}: store it again"
            )
