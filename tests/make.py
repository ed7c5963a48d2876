"""`make` as a user calls it, whatever `make` the tests themselves run under."""

import os
import shutil
import subprocess
from pathlib import Path

INHERITED = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "ENGINE", "REGISTRY", "TAG", "BUILD_ARGS")
"""Of `make test` around a test: they change what is built, and what the last line is."""


def make(
    *arguments: str, folder: Path, timeout_s: float = 60, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Runs `make` in a folder, to its end."""
    kept = {name: value for name, value in os.environ.items() if name not in INHERITED}
    return subprocess.run(
        [shutil.which("make") or "make", *arguments], cwd=folder, env=kept | variables,
        check=False, capture_output=True, text=True, timeout=timeout_s,
    )  # fmt: skip
