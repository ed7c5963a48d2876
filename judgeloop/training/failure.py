"""Returns why a training process ended, from its error file, its exit code and its log."""

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
"""The name that torchrun, too, gives to the file of an error."""
_SIGNAL = re.compile(r"Signals\.(SIG[A-Z]+)|Signal \d+ \((SIG[A-Z]+)\)")
"""How `accelerate launch` and torchrun tell which signal ended a process of theirs."""


class _Details(msgspec.Struct):
    timestamp: str = "0"


class _Message(msgspec.Struct):
    message: str
    extra: _Details = msgspec.field(default_factory=_Details, name="extraInfo")


class _ErrorFile(msgspec.Struct):
    """What `torch.distributed.elastic`'s `record` writes of an exception."""

    message: _Message


def read_error(folder: Path) -> str:
    """Returns what the first training process to fail raised; empty if none could say.

    Args:
        folder: Where the processes' error files lie, at any depth.
    """
    found = []
    for path in sorted(folder.rglob(ERROR_FILE)):
        try:
            message = msgspec.json.decode(path.read_bytes(), type=_ErrorFile).message
            found.append((int(message.extra.timestamp), message.message))
        except (OSError, ValueError):
            continue  # cut off by the death of its process
    return min(found, key=lambda error: error[0])[1] if found else ""


def explain(code: int, log: str, error: str = "") -> str:
    """Says in plain words why a training process ended.

    Args:
        code: Exit code of the launcher; negative where a signal ended it.
        log: The whole log.
        error: What the process raised, as `Class: message`; empty if that is not known.

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
    # What others raise when the process beside them is killed is a consequence.
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
