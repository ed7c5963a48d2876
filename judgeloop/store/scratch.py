"""Temporary folders, private to this user, whose names identify their process.

A process that is killed leaves its folder behind: `judgeloop clean` finds it by its name, and
removes it where that process is gone.
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
    """Creates a folder that is removed at the end of a block or of this process.

    Args:
        purpose: Lower-case letters; part of its name.
    """
    pid = os.getpid()
    name = f"judgeloop-{purpose}-{pid}-{born(pid) or '0'}-{_process_table() or '0'}-"
    return tempfile.TemporaryDirectory(prefix=name)


def abandoned() -> list[Path]:
    """Returns this user's folders whose processes are gone, sorted; empty if that is unknown.

    Containers may share the folder of temporary files; their processes are not visible here.

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

    In a shared temporary folder another user may have created it, or a link, before.

    Args:
        path: The folder.

    Raises:
        StoreError: It belongs to another user, is a link or not a folder, or others can access it.
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
    """Returns the start time of a process, in ticks of this machine; empty if it does not exist.

    Process ids are reused, but not with the same start time. Also empty for a zombie process, and
    where there is no /proc.
    """
    try:
        # The name is second, in parentheses, and may contain anything. The state is the next field.
        state, *rest = (_PROC / f"{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in "ZX" else rest[18]


def _process_table() -> str:
    """Returns the id of this process's PID namespace; empty on systems other than Linux."""
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
