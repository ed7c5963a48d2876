"""Says which task of a local run failed, and why."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from judgeloop.runtime.ledger import Ledger
from judgeloop.runtime.lost_failures import read_lost
from judgeloop.schema.errors import JudgeLoopError, StoreError

_ROOM = 64 * 1024
"""Bytes of free space below which the log itself may be truncated."""
_COLOR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Failure:
    """Why a run failed."""

    task: str
    """The task's name in the ledger, such as `001-judge-p000`."""
    error: str
    """The error's message; it may have several lines."""
    exit_code: int
    """Exit code of the command line: the error's own code, or 1 for another error."""


def find_failure(ledger: Ledger, log: Path) -> Failure:
    """Reads the failure from the ledger; of several failed tasks, the first by name.

    A failure that could not be written to the ledger, because its store failed, is in the run's
    log. A killed task left no error: then the log's last line is shown, in which Kubeflow's local
    runner names the task.

    Args:
        ledger: The loop's ledger.
        log: The run's log.

    Raises:
        StoreError, DataError: The ledger cannot be read, and the log does not say what failed.
    """
    lines = _COLOR.sub("", log.read_text(encoding="utf-8", errors="replace")).splitlines()
    found = {entry.name: entry for entry in read_lost(lines)}
    try:
        found |= {entry.name: entry for entry in ledger.failures()}
    except JudgeLoopError:
        if not found:
            raise
    for name in sorted(found):
        entry = found[name]
        return Failure(name, entry.error or "no message", entry.exit_code)
    if shutil.disk_usage(log.parent).free < _ROOM:
        text = f"the disk of {log.parent} is full: make room there"
        return Failure("the pipeline", text, StoreError.exit_code)
    last = next((line for line in reversed(lines) if line.strip()), "nothing")
    text = f"no task left an error (killed, or out of memory?); {log} ends with: {last}"
    return Failure("the pipeline", text, JudgeLoopError.exit_code)
