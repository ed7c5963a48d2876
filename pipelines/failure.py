"""Finds out from the log of a local run which task failed, and why."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from judgeloop import errors

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_OURS = re.compile(r"^\s*judgeloop\.errors\.(\w+): (.*)$")
_ANY = re.compile(r"^\s+((?:\w+\.)*\w*(?:Error|Exception|Exit|Interrupt)): (.*)$")
_ITERATION = re.compile(r'^\s*"iteration": (\d+)')
_FAILED_TASK = re.compile(r"Inner task failed: '([a-z-]+?)(?:-\d+)*'")
UNKNOWN = "it ended without a message (killed, or out of memory?)"


@dataclass(frozen=True)
class Failure:
    """Why a run failed."""

    task: str
    """`<iteration>/<stage>` as in the progress file, or the stage alone."""
    error: str
    """The error's message; it may have several lines."""
    exit_code: int
    """What the command line ends with: the error's own code, 1 where it is none of ours."""


def find_failure(log: Path) -> Failure:
    """Reads the log of a failed run; the first error is the cause, later ones follow from it."""
    lines = _COLOUR.sub("", log.read_text(encoding="utf-8", errors="replace")).splitlines()
    at, name, message = _first_error(lines)
    stages = [found[1] for line in lines if (found := _FAILED_TASK.search(line))]
    stage = stages[0].replace("-", "_") if stages else "pipeline"
    iterations = [found[1] for line in lines[:at] if (found := _ITERATION.match(line))]
    kind = getattr(errors, name, None)
    code = kind.exit_code if isinstance(kind, type) else 1
    place = f"{int(iterations[-1]):03d}/{stage}" if iterations else stage
    return Failure(place, message, code)


def _first_error(lines: list[str]) -> tuple[int, str, str]:
    """Returns the line, the class and the message of the first error, our own classes first."""
    for pattern in (_OURS, _ANY):
        for at, line in enumerate(lines):
            if found := pattern.match(line):
                rest = lines[at + 1 :]
                end = next((i for i, text in enumerate(rest) if not text.strip()), len(rest))
                more = [text.strip() for text in rest[:end]]
                ours = pattern is _OURS
                first = found[2] if ours else f"{found[1]}: {found[2]}"
                return at, found[1] if ours else "", "\n".join([first, *more])
    return len(lines), "", UNKNOWN
