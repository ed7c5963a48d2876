"""What goes wrong around a loop of the campaign while it runs, drawn by a seed."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.fault_proxy import FaultProxy

PASSING: dict[str, dict[str, Any]] = {
    "500": {"status": 500, "body": b"<Error><Code>InternalError</Code></Error>"},
    "SlowDown": {"status": 503, "body": b"<Error><Code>SlowDown</Code></Error>"},
    "refused without a body": {"status": 503},
    "cut before the request has come": {"cut_request_at": 0},
    "the answer lost": {"cut_answer_at": -1},
    "cut in the answer": {"method": "GET", "cut_answer_at": 10},
    "wrong bytes in the answer": {"method": "GET", "path": r"/[^?]+$", "change_answer": True},
    "late": {"delay_s": 1.0},
}
"""Faults of requests that a loop must not notice, each for a few requests."""
BROKEN_BODIES = ("cut in the answer", "wrong bytes in the answer")
"""A body is asked for three times, so one request more than these two may hit is promised."""
FULL_STORE: dict[str, Any] = {
    "method": "PUT",
    "status": 507,
    "body": b"<Error><Code>XMinioStorageFull</Code></Error>",
}
MOST_REQUESTS, LONGEST_RESTART_S, LONGEST_JUMP_S = 4, 4.0, 3 * 24 * 3600
_CLOCK_SOURCE = Path(__file__).parent / "clock.c"
_SMALL_DISK = 'mount -t tmpfs -o size="$1"k none "$2" && shift 2 && exec "$@"'


class Clock(NamedTuple):
    """A wall clock that can be set, for the processes that have its environment."""

    library: Path
    jump: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self.library), "SOAK_CLOCK": str(self.jump)}

    def set(self, seconds: int) -> None:
        """Moves the clock so many seconds away from the machine's."""
        with self.jump.open("r+b") as file:  # in place: it is mapped into the processes
            file.write(struct.pack("<q", seconds))


def make_clock(folder: Path) -> Clock | None:
    """Builds the library; None on a machine without a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    clock = Clock(folder / "clock.so", folder / "clock")
    clock.jump.write_bytes(bytes(8))
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(clock.library), str(_CLOCK_SOURCE)],
        check=True,
    )
    return clock


def on_a_small_disk(command: list[str], folder: Path, kilobytes: int) -> list[str]:
    """Returns the command with `folder` being a disk of so many kB, which ends with it."""
    inside = ["unshare", "--user", "--mount", "--map-root-user", "sh", "-c", _SMALL_DISK, "sh"]
    return [*inside, str(kilobytes), str(folder), *command]


def has_small_disks(folder: Path) -> bool:
    """Says whether this machine lets a user mount a disk in a name space of their own."""
    folder.mkdir(exist_ok=True)
    tried = on_a_small_disk(["true"], folder, 100)
    return shutil.which("unshare") is not None and not subprocess.run(tried, check=False).returncode


class Trouble(NamedTuple):
    """Something that happens once so many shards were begun."""

    shards: int
    happen: Callable[[], object]


def draw(
    rng: random.Random, proxy: FaultProxy, clock: Clock | None, shards: int, seen: Counter[str]
) -> list[Trouble]:
    """Draws what a loop must not notice: faults of requests, a restart, a jump of the clock.

    Args:
        rng: Draws.
        proxy: Before the server.
        clock: None: it never jumps.
        shards: Troubles come before so many shards were begun.
        seen: Counts what happened.
    """

    def fault(name: str, times: int) -> None:
        seen[f"faults: {name}"] += 1
        proxy.break_with(times=times, **PASSING[name])

    def restart(away_s: float) -> None:
        seen["restarts of the server"] += 1
        proxy.stop()
        time.sleep(away_s)
        proxy.start()

    def jump(seconds: int) -> None:
        assert clock is not None
        seen["jumps of the clock"] += 1
        clock.set(seconds)

    found = []
    for name in rng.sample(sorted(PASSING), rng.randint(0, 3)):
        times = 1 if name in BROKEN_BODIES else rng.randint(1, MOST_REQUESTS)
        found.append(Trouble(rng.randint(0, shards), lambda n=name, t=times: fault(n, t)))
    if rng.random() < 0.4:
        away_s = rng.uniform(1.0, LONGEST_RESTART_S)
        found.append(Trouble(rng.randint(0, shards), lambda: restart(away_s)))
    if clock is not None and rng.random() < 0.5:
        seconds = rng.randint(-LONGEST_JUMP_S, LONGEST_JUMP_S)
        found.append(Trouble(rng.randint(0, shards), lambda: jump(seconds)))
    return found
