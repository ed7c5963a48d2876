"""Work in a fork of this process, with a limit of time."""

import ctypes
import json
import os
import resource
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

KILLED, SURVIVED, NO_TESTS, TIMEOUT = 1, 0, 33, 36
"""mutmut's exit codes."""
WALL = 10
"""Seconds for each CPU second: the machine may be busy, and a mutant may wait for ever."""
PR_SET_PDEATHSIG = 1


def in_fork(
    session: pytest.Session, work: Callable[[], tuple[int, Any]], limit_s: int
) -> tuple[int, Any]:
    """What `work` gives in a fork of this process; a timeout where it takes too long."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        code = 3
        with suppress(BaseException):
            os.setsid()
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s))
            session.config.pluginmanager.unregister(name="terminalreporter")
            with open(write, "w") as pipe:
                json.dump(work(), pipe)
            code = 0
        os._exit(code)
    os.close(write)
    timer = signal.signal(signal.SIGALRM, lambda *_: os.killpg(child, signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, limit_s * WALL)
    with open(read) as pipe:
        answer = pipe.read()
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, timer)
    _, status = os.waitpid(child, 0)
    if answer and not status:
        code, value = json.loads(answer)
        return code, value
    return (TIMEOUT if os.WIFSIGNALED(status) else KILLED), None
