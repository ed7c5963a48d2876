"""Shows a running loop: bars on a terminal, plain lines elsewhere.

The tasks write their progress to a file (`judgeloop.runtime.progress`); `update` reads what is new.
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
    TimeRemainingColumn,
)

from judgeloop.runtime.progress import Step, read_steps
from judgeloop.runtime.redaction import shown
from pipelines.plain import print_plain

LINE_EVERY_S = 5.0
"""Minimum interval between two plain lines about an unfinished task, in seconds."""


class View(Protocol):
    """Draws the steps of tasks."""

    def show(self, step: Step) -> None:
        """Draws one step of one task."""
        ...

    def close(self) -> None:
        """Leaves the terminal as it was."""
        ...


class Display:
    """Follows a progress file; a context manager, since bars hide the terminal's cursor.

    Args:
        path: The progress file; it need not exist yet.
        console: Where to draw.
    """

    def __init__(self, path: Path, console: Console) -> None:
        self._path = path
        self._offset = 0
        self._view: View = Bars(console) if console.is_terminal else Lines(console)

    def update(self) -> None:
        """Draws what has come since the last call, of each task the newest step."""
        steps, self._offset = read_steps(self._path, self._offset)
        for step in {step.task: step for step in steps}.values():
            self._view.show(step)

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
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=console,
            transient=True,
        )
        self._progress.start()

    def show(self, step: Step) -> None:
        """Moves the task's bar, or takes it away where the task is done."""
        started = self._started.setdefault(step.task, time.monotonic())
        if step.done >= step.total:
            if step.task in self._bars:
                self._progress.remove_task(self._bars.pop(step.task))
            seconds = time.monotonic() - started
            print_plain(self._progress.console, _line(step, seconds))
            return
        if step.task not in self._bars:
            self._bars[step.task] = self._progress.add_task(shown(step.task), unit="", note="")
        self._progress.update(
            self._bars[step.task],
            completed=step.done, total=step.total, unit=shown(step.unit), note=shown(step.note),
        )  # fmt: skip

    def close(self) -> None:
        """Takes the bars away."""
        self._progress.stop()


class Lines:
    """Plain lines: when a task starts, now and then, and when it is done."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started: dict[str, float] = {}
        self._shown: dict[str, float] = {}

    def show(self, step: Step) -> None:
        """Writes a line unless the task had one a moment ago and is still at work."""
        now = time.monotonic()
        started = self._started.setdefault(step.task, now)
        finished = step.done >= step.total
        if not finished and now - self._shown.get(step.task, float("-inf")) < LINE_EVERY_S:
            return
        self._shown[step.task] = now
        line = _line(step, now - started)
        print_plain(self._console, line)

    def close(self) -> None:
        """Nothing is left to do."""


def _line(step: Step, seconds: float) -> str:
    count = f"{step.done}/{step.total} {step.unit}"
    left = f"{seconds * (step.total - step.done) / step.done:.0f} s left" if step.done else ""
    said = ", ".join(filter(None, (left if step.done < step.total else "", step.note)))
    return f"{step.task:<22} {count:<24} {seconds:6.1f} s  {said}".rstrip()
