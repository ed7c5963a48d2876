"""The folder of a local run, used by one loop at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from judgeloop.schema.errors import ConfigError

LOCK = "run.lock"


@contextmanager
def locked_folder(out: Path, loop_id: str) -> Iterator[None]:
    """Locks a run's folder against other loops while the block runs.

    Two loops in one folder would write each other's log, arguments and progress. The lock is
    released when this process ends, in whatever way.

    Args:
        out: The folder, which exists.
        loop_id: The loop that uses it.

    Raises:
        ConfigError: Another loop uses it, or it cannot be written to.
    """
    try:
        file = os.open(out / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"--out {out}: cannot be the run's folder ({error.strerror})") from error
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(file, 500).decode(errors="replace").strip() or "another run"
            raise ConfigError(
                f"--out {out}: {holder} is at work there; give this loop a folder of its own "
                "(OUT=runs/another)"
            ) from None
        os.ftruncate(file, 0)
        os.write(file, f"loop {loop_id}, process {os.getpid()}".encode())
        yield
    finally:
        os.close(file)
