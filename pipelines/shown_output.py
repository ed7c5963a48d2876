"""What the local runner prints, as a log may have it: Kubeflow's own text passes here too."""

from __future__ import annotations

import atexit
import io
import re
import sys
import threading
from typing import TextIO

from judgeloop.runtime.redaction import shown

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class ShownOutput(io.TextIOBase):
    """Passes whole lines on, without secrets, colours and control characters.

    A line is kept until its end has come, so that a secret in two pieces is seen.

    Args:
        sink: Gets the lines.
    """

    def __init__(self, sink: TextIO) -> None:
        self._sink = sink
        self._open = ""
        self._lock = threading.Lock()  # tasks of a parallel loop print from threads

    def write(self, text: str) -> int:
        """Takes text, and passes on what is a whole line now."""
        with self._lock:
            *lines, self._open = (self._open + text).split("\n")
            for line in lines:
                self._pass_on(line)
        return len(text)

    def flush(self) -> None:
        """Lets what was passed on reach its file."""
        self._sink.flush()

    def finish(self) -> None:
        """Passes on a last line that has no end."""
        with self._lock:
            if self._open:
                self._pass_on(self._open)
                self._open = ""
        self.flush()

    def _pass_on(self, line: str) -> None:
        self._sink.write(shown(_COLOUR.sub("", line)) + "\n")
        self._sink.flush()


def show_all_output() -> None:
    """Lets everything that this process prints from now on pass through here."""
    for name in ("stdout", "stderr"):
        output = ShownOutput(getattr(sys, name))
        setattr(sys, name, output)
        atexit.register(output.finish)
