"""Progress of long work: log lines in a pod, and a file that a parent process can show.

The local runner of Kubeflow Pipelines suppresses progress bars, so a task appends small JSON lines
to the file named by `JUDGELOOP_PROGRESS`; the parent reads them and draws.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import msgspec

logger = logging.getLogger(__name__)

FILE_VARIABLE = "JUDGELOOP_PROGRESS"
LOG_EVERY_S = 15.0
PULSE_EVERY_S = 2.0
"""Minimum interval between two lines without a newly finished row."""
RATE_STEPS = 50
"""Number of newest steps that the rate is computed from."""


class Pulse(msgspec.Struct, frozen=True, kw_only=True):
    """An engine's counters for a task since this process started it."""

    tokens: int = 0
    """Number of generated tokens."""
    requests: int = 0
    """Number of requests in flight: sent to the engine and not answered."""
    kept: int = 0
    """Number of pairs made, or of judgements that agree with their pair's preference."""
    tried: int = 0
    """Number that `kept` is a part of."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the progress file."""

    task: str
    """`<iteration>/<stage>` with `/p<partition>` where the stage is partitioned."""
    done: int
    total: int
    unit: str
    note: str = ""
    at: float = 0.0
    """Unix time in seconds."""
    pulse: Pulse | None = None
    """Only for a task that runs a model."""


class ProgressSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Progress of this process's task, which its lease publishes."""

    step: Step
    rate: float
    """Recent rows per second."""

    def __str__(self) -> str:
        """Returns the progress in words, such as `judge/p000: 120 of 400 pairs, 2.5/s`."""
        step = self.step
        said = f"{step.done:,} of {step.total:,} {step.unit}"
        if step.note:
            said += f", {step.note}"
        if self.rate > 0:
            left = (step.total - step.done) / self.rate
            pace = f"{self.rate:.1f}/s" if self.rate >= 1 else f"{1 / self.rate:.0f} s each"
            said += f", {pace}, {left / 60:.0f} min left"
        return said


class _Latest:
    """The newest step of this process, and the times of some earlier ones."""

    step: ClassVar[Step | None] = None
    seen: ClassVar[deque[tuple[float, int]]] = deque(maxlen=RATE_STEPS)


def latest_progress() -> ProgressSnapshot | None:
    """Returns the progress of this process's newest task; None if there is none."""
    step, seen = _Latest.step, list(_Latest.seen)
    if step is None:
        return None
    (began, first), (now, last) = seen[0], seen[-1]
    return ProgressSnapshot(step=step, rate=(last - first) / (now - began) if now > began else 0.0)


class Progress:
    """Counts finished rows of one task."""

    def __init__(self, task: str, total: int, unit: str) -> None:
        self._task = task
        self._total = total
        self._unit = unit
        self._done = 0
        self._logged = self._written = time.monotonic()
        self._pulse: Pulse | None = None
        self._report("")

    def advance(self, count: int, note: str = "") -> None:
        """Adds finished rows; `note` says something about them, such as the current loss."""
        self._done += count
        self._report(note)

    def beat(self, pulse: Pulse) -> None:
        """Records the engine's counters, to be written with the next step or after a while."""
        self._pulse = pulse
        if time.monotonic() - self._written >= PULSE_EVERY_S:
            self._written = time.monotonic()
            _append(self._step(""))

    def _step(self, note: str) -> Step:
        return Step(
            task=self._task, done=self._done, total=self._total, unit=self._unit, note=note,
            at=round(time.time(), 3), pulse=self._pulse,
        )  # fmt: skip

    def _report(self, note: str) -> None:
        _tell(self._step(note))
        now = self._written = time.monotonic()
        if now - self._logged >= LOG_EVERY_S:
            self._logged = now
            logger.info(
                "progress task=%s done=%d total=%d unit=%s %s",
                self._task,
                self._done,
                self._total,
                self._unit,
                note,
            )


class Relay:
    """Forwards the steps of a child process as this process's own, to its lease and its parent.

    Args:
        path: The child's progress file, which need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def __call__(self) -> None:
        """Forwards new steps."""
        steps, self._offset = read_steps(self._path, self._offset)
        for step in steps:
            _tell(step)


def _tell(step: Step) -> None:
    """Records a step for the lease, and appends it to the file that a parent reads."""
    if _Latest.step is None or _Latest.step.task != step.task:
        _Latest.seen.clear()
    _Latest.seen.append((time.monotonic(), step.done))
    _Latest.step = step
    _append(step)


def _append(step: Step) -> None:
    if name := os.environ.get(FILE_VARIABLE):
        with Path(name).open("ab") as file:
            file.write(msgspec.json.encode(step) + b"\n")


def read_steps(path: Path, offset: int) -> tuple[list[Step], int]:
    """Reads the complete lines after `offset` bytes; returns them and the next offset."""
    if not path.exists():
        return [], offset
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read()
    end = data.rfind(b"\n") + 1
    return list(_whole_steps(data[:end])), offset + end


def _whole_steps(data: bytes) -> Iterator[Step]:
    """Yields the steps, without truncated lines, which a full disk may leave."""
    for line in data.split(b"\n"):
        with suppress(msgspec.MsgspecError, UnicodeDecodeError):
            yield msgspec.json.decode(line, type=Step)
