"""`make` as a user calls it, whatever `make` the tests themselves run under."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

INHERITED = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "ENGINE", "REGISTRY", "TAG", "BUILD_ARGS")
"""Of `make test` around a test: they change what is built, and what the last line is."""


def outside_make(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns an environment without what `make` hands on to what it runs."""
    return {name: value for name, value in environment.items() if name not in INHERITED}


def make(
    *arguments: str, folder: Path, timeout_s: float = 60, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Runs `make` in a folder, to its end."""
    return subprocess.run(
        [shutil.which("make") or "make", *arguments], cwd=folder,
        env=outside_make(os.environ) | variables, check=False, capture_output=True, text=True,
        timeout=timeout_s,
    )  # fmt: skip


def stand_in_for_uv(folder: Path, refused: str = "nothing") -> Path:
    """Writes a program that is called as `uv` is, notes its arguments in `asked.txt`, does nothing.

    Args:
        folder: Where it is written.
        refused: Calls with this in their arguments fail.
    """
    program = folder / "uv"
    program.write_text(
        f'#!/bin/sh\necho "$*" >>{folder}/asked.txt\n'
        f'case "$*" in *{refused}*) echo "no such version" >&2; exit 1;; esac\n'
        '[ "$1" != venv ] || { for folder; do :; done; mkdir -p "$folder/bin" "$folder/lib"; '
        f'printf "#!/bin/sh\\nexec {sys.executable} \\"\\$@\\"\\n" >"$folder/bin/python"; '
        'chmod +x "$folder/bin/python"; }\n'
    )
    program.chmod(0o755)
    return program
