"""Fetches a registered version in a separate process, while this one does other work.

Importing MLflow takes half as long as importing an engine, and two imports in one process would
wait for each other.
"""

from __future__ import annotations

import gc
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from judgeloop.registry.addresses import fetch_version
from judgeloop.schema.errors import JudgeLoopError


def fetch_concurrently(uri: str, folder: Path, meanwhile: Callable[[], None]) -> str:
    """Fetches a version into a folder, as `fetch_version` does; returns its number.

    If MLflow is imported already, no process is started. If the process fails, the fetch is
    repeated here, so that the error is raised here.

    Args:
        uri: `models:/name@alias` or `models:/name/version`.
        folder: A new folder.
        meanwhile: Called while the version is fetched.

    Raises:
        RegistryError, DataError: As for `fetch_version`.
    """
    if "mlflow" not in sys.modules:
        command = [sys.executable, "-P", "-m", __name__, uri, str(folder)]
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as child:
            try:
                meanwhile()
                version = child.communicate()[0].strip()
            except BaseException:
                child.kill()
                raise
        if child.returncode == 0:
            return version
        shutil.rmtree(folder, ignore_errors=True)
    return fetch_version(uri, folder).version


def _main() -> None:
    gc.disable()  # it imports much, creates little garbage, and ends within seconds
    uri, folder = sys.argv[1:]
    try:
        sys.stdout.write(fetch_version(uri, Path(folder)).version)
    except JudgeLoopError:
        sys.exit(1)


if __name__ == "__main__":
    _main()
