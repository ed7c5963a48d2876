"""Cleans the local runner's output for a log, including Kubeflow's own text."""

from __future__ import annotations

import atexit
import io
import re
import sys
import threading
from typing import TextIO

from judgeloop.runtime.redaction import shown

_COLOR = re.compile(r"\x1b\[[0-9;]*m")


class ShownOutput(io.TextIOBase):
    """Passes on whole lines, without secrets, colors and control characters.

    A line is buffered until it is complete, so that a secret in two pieces is found.

    Args:
        sink: Gets the lines.
    """

    def __init__(self, sink: TextIO) -> None:
        self._sink = sink
        self._open = ""
        self._lock = threading.Lock()  # tasks of a parallel loop print from threads

    def write(self, text: str) -> int:
        """Buffers text, and passes on complete lines."""
        with self._lock:
            *lines, self._open = (self._open + text).split("\n")
            for line in lines:
                self._pass_on(line)
        return len(text)

    def flush(self) -> None:
        """Flushes the lines that were passed on."""
        self._sink.flush()

    def finish(self) -> None:
        """Passes on a last line that has no end."""
        with self._lock:
            if self._open:
                self._pass_on(self._open)
                self._open = ""
        self.flush()

    def _pass_on(self, line: str) -> None:
        self._sink.write(shown(_COLOR.sub("", line)) + "\n")
        self._sink.flush()


def show_all_output() -> None:
    """Redirects all later output of this process through this class."""
    for name in ("stdout", "stderr"):
        output = ShownOutput(getattr(sys, name))
        setattr(sys, name, output)
        atexit.register(output.finish)
