"""How long do the commands of the first hour take, and when do they print something?

```
make demo && python -m benchmarks.commands runs/demo
```

Each command runs `--repeats` times, in a process of its own, on one thread; the fastest counts.
CPU seconds are those of all its processes: on an idle machine with two cores or more a command may
take less time than that, since parts of it run in parallel, and on a busy one more.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from judgeloop.cli.table import table
from judgeloop.runtime.redaction import hide_secrets

PAIRS = 50


class Took(NamedTuple):
    """Seconds of one command."""

    wall: float
    first: float
    """Until something was printed."""
    cpu: float


def took(command: Sequence[str]) -> Took:
    """Runs a command.

    Raises:
        RuntimeError: It failed.
    """
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    environment["PYTHONDONTWRITEBYTECODE"] = ""  # as in the Makefile
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read(1)
        first = time.monotonic() - start
        said += process.stdout.read()
    wall = time.monotonic() - start
    if process.returncode:
        raise RuntimeError(f"{command} failed: {said.decode()}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Took(wall, first, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def commands(run: Path, folder: Path, repeat: int) -> dict[str, list[str]]:
    """Returns the commands by their names in the table; `folder` gets their files."""
    shutil.copytree(run / "try", folder, dirs_exist_ok=True)
    pairs = folder / "pairs.jsonl"
    rows = [json.loads(line) for line in (run / "try/pairs.jsonl").read_text().splitlines()]
    many = [rows[n % len(rows)] | {"id": f"{n}"} for n in range(PAIRS)]
    pairs.write_text("".join(json.dumps(row) + "\n" for row in many))
    judgeloop = [str(Path(sys.executable).with_name("judgeloop"))]
    one = ["--image", str(run / "try/1.png"), "--question", "count triangle", "--a", "1"]
    out = str(folder / f"verdicts{repeat}.jsonl")
    return {
        "--help": [*judgeloop, "--help"],
        "verdict": [*judgeloop, "verdict", "--run", str(run), *one, "--b", "2"],
        f"judge, {PAIRS} pairs": [
            *judgeloop, "judge", str(pairs), "--run", str(run), "--out", out
        ],
        "a finished demo again": [*judgeloop, "run", "--config", "tiny", "--out", str(run)],
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("run", type=Path, help="folder of a finished demo")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args(arguments)
    hide_secrets("%(message)s", "WARNING")
    times: dict[str, list[Took]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(given.repeats):
            for name, command in commands(given.run, Path(folder), repeat).items():
                times.setdefault(name, []).append(took(command))
    rows = [
        [name, *(f"{min(seconds):.2f}" for seconds in zip(*each, strict=True))]
        for name, each in times.items()
    ]
    sys.stdout.write("\n".join(table(["command", "wall", "first output", "CPU"], rows)) + "\n")


if __name__ == "__main__":
    main()
