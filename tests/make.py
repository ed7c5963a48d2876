"""`make` as a user calls it, whatever `make` the tests themselves run under."""

import os
import shutil
import subprocess
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
