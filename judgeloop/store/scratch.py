"""Temporary folders, for this user alone, whose names say which process they belong to.

A process that is killed leaves its folder: `judgeloop clean` finds it by its name, and removes it
where that process is gone.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from pathlib import Path

from judgeloop.schema.errors import StoreError

_PROC = Path("/proc")
_NAME = re.compile(
    r"judgeloop-[a-z]+-(?P<pid>\d{1,9})-(?P<born>\d+)-(?P<table>\d+)-[A-Za-z0-9_]{8}"
)


def scratch_folder(purpose: str) -> tempfile.TemporaryDirectory[str]:
    """Makes a folder that is removed at the end of a block, or with its process.

    Args:
        purpose: Lower-case letters; part of its name.
    """
    pid = os.getpid()
    name = f"judgeloop-{purpose}-{pid}-{born(pid) or '0'}-{_process_table() or '0'}-"
    return tempfile.TemporaryDirectory(prefix=name)


def abandoned() -> list[Path]:
    """Returns the folders of this user whose processes are gone, sorted; none where none can tell.

    Containers may share the folder of temporary files; processes of theirs are not seen from here.

    Raises:
        OSError: The folder of temporary files cannot be read.
    """
    here = _process_table()
    if not here or not born(os.getpid()):
        return []
    found = []
    for path in Path(tempfile.gettempdir()).iterdir():
        match = _NAME.fullmatch(path.name)
        if match is None or match["table"] != here or not _is_own_folder(path):
            continue
        if born(int(match["pid"])) != match["born"]:
            found.append(path)
    return sorted(found)


def private_folder(path: Path) -> Path:
    """Creates a folder for this user alone, or uses an existing one with these permissions.

    In a folder of temporary files anyone may have made it before, or put a link there.

    Args:
        path: The folder.

    Raises:
        StoreError: It is another's, a link, no folder, or others may write to it.
    """
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise StoreError(f"cannot use {path}: {error.strerror}; move it away") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise StoreError(f"cannot use {path}: it is not a folder of this user; move it away")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise StoreError(f"cannot use {path}: other users can access it; set its mode to 0700")
    return path


def born(pid: int) -> str:
    """Returns when a process began, in ticks of this machine; empty if there is none of it.

    A number is given out again, this isn't. Empty too for a process that has ended and is not yet
    cleared away, and where there is no /proc.
    """
    try:
        # The name comes second, in brackets, and may hold anything. State is the next field.
        state, *rest = (_PROC / f"{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in "ZX" else rest[18]


def _process_table() -> str:
    """Returns the number of the process table that this process's number is of; empty off Linux."""
    try:
        return re.sub(r"\D", "", os.readlink(_PROC / "self/ns/pid"))
    except OSError:
        return ""


def _is_own_folder(path: Path) -> bool:
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
