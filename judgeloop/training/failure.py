"""Explains why a training process failed, from its error file, its exit code and its log."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import msgspec

from judgeloop.schema.errors import TrainingError

TAIL_LINES = 15
MAX_MESSAGE = 2000
"""Characters of an exception's message that are shown."""
ERROR_FILE = "error.json"
"""The name that torchrun also gives to the file of an error."""
_SIGNAL = re.compile(r"Signals\.(SIG[A-Z]+)|Signal \d+ \((SIG[A-Z]+)\)")
"""How `accelerate launch` and torchrun report the signal that ended one of their processes."""


class _Details(msgspec.Struct):
    timestamp: str = "0"


class _Message(msgspec.Struct):
    message: str
    extra: _Details = msgspec.field(default_factory=_Details, name="extraInfo")


class _ErrorFile(msgspec.Struct):
    """The file that `torch.distributed.elastic`'s `record` writes for an exception."""

    message: _Message


def read_error(folder: Path) -> str:
    """Returns the exception of the first training process that failed; empty if none was recorded.

    Args:
        folder: Folder with the processes' error files, at any depth.
    """
    found = []
    for path in sorted(folder.rglob(ERROR_FILE)):
        try:
            message = msgspec.json.decode(path.read_bytes(), type=_ErrorFile).message
            found.append((int(message.extra.timestamp), message.message))
        except (OSError, ValueError):
            continue  # truncated when its process died
    return min(found, key=lambda error: error[0])[1] if found else ""


def explain(code: int, log: str, error: str = "") -> str:
    """Returns a message that says why a training process failed.

    Args:
        code: Exit code of the launcher; negative where a signal ended it.
        log: The whole log.
        error: The exception of the process, as `Class: message`; empty if unknown.

    Returns:
        Cause, what to do, and the last lines of the log.
    """
    tail = "\n".join(_without_launcher(log.splitlines())[-TAIL_LINES:])
    return f"training failed: {_cause(code, log, error)}. The log ends with:\n{tail}"


def _cause(code: int, log: str, error: str) -> str:
    if error.startswith("OutOfMemoryError: "):
        return (
            "the GPU ran out of memory; lower training.micro_batch_size, or take a larger GPU or "
            "a smaller base"
        )
    found = _SIGNAL.findall("\n".join(log.splitlines()[-200:]))
    name = "".join(found[-1]) if found else _signal_name(code)
    # Errors that other processes raise after one is killed are a consequence.
    if name == "SIGKILL":
        return (
            "the process was killed (SIGKILL), most likely because the machine or the pod ran out "
            "of memory; lower training.micro_batch_size or give the task more memory"
        )
    if error:
        return error.removeprefix(f"{TrainingError.__name__}: ")[:MAX_MESSAGE].rstrip(".")
    if name:
        return f"the process was ended by {name}"
    if code == 0:
        return "the process ended without writing its metrics"
    return f"the process ended with exit code {code}"


def _signal_name(code: int) -> str:
    """Returns the signal of an exit code (-9, or 137 from a shell), else nothing."""
    number = -code if code < 0 else code - 128
    try:
        return signal.Signals(number).name
    except ValueError:
        return ""


def _without_launcher(lines: list[str]) -> list[str]:
    """Cuts off the launcher's own traceback, which comes last and hides the training's."""
    starts = [i for i, line in enumerate(lines) if line.startswith("Traceback (most recent call")]
    if starts and any("subprocess.CalledProcessError" in line for line in lines[starts[-1] :]):
        return lines[: starts[-1]]
    return lines
