"""Shows a running loop: bars on a terminal, plain lines elsewhere.

The tasks write their progress to a file (`judgeloop.runtime.progress`); `update` reads new lines.
"""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from judgeloop.runtime.progress import Step, read_steps
from judgeloop.runtime.redaction import shown
from pipelines.plain import print_plain
from pipelines.rates import LoopRate, TaskRate

LINE_EVERY_S = 5.0
"""Minimum interval between two plain lines about an unfinished task, in seconds."""


class View(Protocol):
    """Draws the steps of tasks."""

    def show(self, step: Step, said: str) -> None:
        """Draws one step of one task, with a note on its speed."""
        ...

    def close(self) -> None:
        """Restores the terminal."""
        ...


class Display:
    """Follows a progress file; a context manager, since bars hide the terminal's cursor.

    Args:
        path: The progress file; it need not exist yet.
        console: Output.
        iterations: Maximum number of iterations of the loop.
    """

    def __init__(self, path: Path, console: Console, iterations: int = 0) -> None:
        self._path = path
        self._loop = LoopRate(iterations)
        self._tasks: dict[str, TaskRate] = {}
        self._offset = 0
        self._view: View = Bars(console) if console.is_terminal else Lines(console)

    def update(self) -> None:
        """Draws the newest step of each task since the last call."""
        steps, self._offset = read_steps(self._path, self._offset)
        for step in steps:
            self._loop.add(step)
            self._tasks.setdefault(step.task, TaskRate(step))
        for step in {step.task: step for step in steps}.values():
            self._view.show(step, self._said(step))

    def _said(self, step: Step) -> str:
        """Returns a step's note, the task's time left, its speed, and the loop's time left."""
        rate, working = self._tasks[step.task], step.done < step.total
        left, tokens = rate.seconds_left(step), rate.tokens_per_second(step)
        loop, pulse = self._loop.seconds_left(step.at), step.pulse
        # How many judgements filtering keeps is not known yet.
        share = "right" if "/judge/" in step.task else "kept"
        parts = [
            f"{_time(left)} left" if working and left is not None else "",
            step.note,
            f"{share} {pulse.kept / pulse.tried:.2f}" if pulse and pulse.tried else "",
            f"{tokens:.0f} tokens/s" if tokens else "",
            f"{pulse.requests} in flight" if working and pulse else "",
            f"loop at most {_time(loop)}" if loop is not None else "",
        ]
        return ", ".join(filter(None, parts))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._view.close()


class Bars:
    """A bar for every running task; a finished one becomes a line above the bars."""

    def __init__(self, console: Console) -> None:
        self._bars: dict[str, TaskID] = {}
        self._started: dict[str, float] = {}
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=console,
            transient=True,
        )
        self._progress.start()

    def show(self, step: Step, said: str) -> None:
        """Moves the task's bar, or removes it if the task is done."""
        started = self._started.setdefault(step.task, time.monotonic())
        if step.done >= step.total:
            if step.task in self._bars:
                self._progress.remove_task(self._bars.pop(step.task))
            seconds = time.monotonic() - started
            print_plain(self._progress.console, _line(step, seconds, said))
            return
        if step.task not in self._bars:
            self._bars[step.task] = self._progress.add_task(shown(step.task), unit="", note="")
        self._progress.update(
            self._bars[step.task],
            completed=step.done, total=step.total, unit=shown(step.unit), note=shown(said),
        )  # fmt: skip

    def close(self) -> None:
        """Removes the bars."""
        self._progress.stop()


class Lines:
    """Plain lines: when a task starts, at intervals, and when it is done."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started: dict[str, float] = {}
        self._shown: dict[str, float] = {}

    def show(self, step: Step, said: str) -> None:
        """Writes a line unless the task had one recently and is still running."""
        now = time.monotonic()
        started = self._started.setdefault(step.task, now)
        finished = step.done >= step.total
        if not finished and now - self._shown.get(step.task, float("-inf")) < LINE_EVERY_S:
            return
        self._shown[step.task] = now
        print_plain(self._console, _line(step, now - started, said))

    def close(self) -> None:
        """Does nothing: lines need no cleanup."""


def _line(step: Step, seconds: float, said: str) -> str:
    count = f"{step.done}/{step.total} {step.unit}"
    return f"{step.task:<22} {count:<24} {seconds:6.1f} s  {said}".rstrip()


def _time(seconds: float) -> str:
    """Returns a readable duration: `40 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
