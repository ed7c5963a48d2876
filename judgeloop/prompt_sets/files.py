"""The files of a user's set of prompts, read whole from a folder on the disk or in S3."""

from __future__ import annotations

from judgeloop.method.prompts.files import belongs
from judgeloop.schema.errors import ConfigError, reason_of
from judgeloop.schema.home import expand_home
from judgeloop.store import open_store

MAX_FILE_BYTES = 200_000
_HINT = "copy it from the set `default` (judgeloop/method/prompts/default)"


def folder_files(place: str) -> dict[str, str]:
    """Returns the files of a user's set by their names.

    Args:
        place: A folder's path, or the s3:// URI of a folder.

    Raises:
        ConfigError: There is no such folder, or a file in it cannot be read as a template.
        StoreError: S3 does not answer.
    """
    found = _stored(place) if "://" in place else _local(place)
    if not found:
        raise ConfigError(
            f"prompts: there is no prompt set {place!r}; use `tiny`, `tiny-choose`, "
            "`default`, or the path or s3:// URI of a folder with templates (a copy of "
            "judgeloop/method/prompts/default)"
        )
    return {name: _text(place, name, data) for name, data in sorted(found.items())}


def _local(place: str) -> dict[str, bytes]:
    folder = expand_home(place)
    if not folder.is_dir():
        return {}
    found = {}
    for file in folder.iterdir():
        if belongs(file.name):
            try:
                _check_size(place, file.name, file.stat().st_size)
                found[file.name] = file.read_bytes()
            except OSError as error:
                raise _unreadable(place, file.name, error) from error
    return found


def _stored(place: str) -> dict[str, bytes]:
    store = open_store(place.rstrip("/"))
    sizes = {name: size for name, size in store.sizes("").items() if belongs(name)}
    sizes = {name: size for name, size in sizes.items() if "/" not in name}
    for name, size in sizes.items():
        _check_size(place, name, size)
    return {name: store.read(name) for name in sizes}


def _check_size(place: str, name: str, size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise ConfigError(f"prompts {place}: {name} has more than {MAX_FILE_BYTES} bytes")


def _text(place: str, name: str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise _unreadable(place, name, error) from error


def _unreadable(place: str, name: str, error: Exception) -> ConfigError:
    return ConfigError(f"prompts {place}: {name} cannot be read ({reason_of(error)}); {_HINT}")
