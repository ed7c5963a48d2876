"""Runs the micro loop as a user does, and reads what it left."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from judgeloop.runtime.ledger import Entry, Ledger
from judgeloop.schema.records import Manifest
from judgeloop.store import Store, open_store

REPOSITORY = Path(__file__).resolve().parents[2]
LOOP_ID = "loop"
TIMEOUT_S = 110


class Run(NamedTuple):
    """A finished run."""

    out: Path
    exit_code: int
    printed: str
    store: Store

    @property
    def entries(self) -> dict[str, Entry]:
        """The ledger's entries by name, such as `001-judge-p000`."""
        return {entry.name: entry for entry in Ledger(self.store, LOOP_ID).entries()}

    @property
    def summary(self) -> dict[str, Any]:
        """What `summary.json` holds."""
        found: dict[str, Any] = json.loads((self.out / "summary.json").read_text())
        return found

    @property
    def report(self) -> str:
        """The report's page."""
        return (self.out / "report.html").read_text()

    def manifest(self, name: str) -> Manifest:
        """The manifest of a task that succeeded."""
        manifest = self.entries[name].manifest
        assert manifest is not None
        return manifest

    def content(self) -> dict[str, bytes]:
        """Everything in the store by key, but the ledger and the report, which hold times."""
        return {
            key: self.store.read(key) for key in self.store.list("") if not key.startswith("loops/")
        }


def command(out: Path, *changes: str, preset: str = "micro") -> list[str]:
    """The command line of a loop."""
    sets = [word for change in changes for word in ("--set", change)]
    config = str(REPOSITORY / "pipelines" / "configs" / f"{preset}.yaml")
    return [sys.executable, "-m", "pipelines", "run", "--config", config, *sets,
            "--out", str(out), "--loop-id", LOOP_ID]  # fmt: skip


def without_registry() -> dict[str, str]:
    """The environment without a registry of somebody else: the loop has its own."""
    return {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}


def run_micro(
    out: Path,
    *changes: str,
    store: str | None = None,
    preset: str = "micro",
    timeout_s: float = TIMEOUT_S,
    registry: str | None = None,
) -> Run:
    """Runs a loop to its end.

    Args:
        out: The run's folder.
        changes: `section.key=value` changes of the configuration.
        store: URI of the store; None is the run's own folder.
        preset: Name of the configuration.
        timeout_s: After this the test fails.
        registry: Address of the registry; None is the run's own.
    """
    environment = without_registry() | {"COLUMNS": "200"}
    if registry is not None:
        environment["MLFLOW_TRACKING_URI"] = registry
    if store is not None:
        changes = (*changes, f"store={store}")
    done = subprocess.run(
        command(out, *changes, preset=preset), cwd=REPOSITORY, check=False, capture_output=True,
        text=True, timeout=timeout_s, env=environment,
    )  # fmt: skip
    uri = store or str(out / "store")
    return Run(out, done.returncode, done.stdout + done.stderr, open_store(uri))


def run_and_kill(out: Path, after_entries: int) -> int:
    """Starts a loop and kills its whole process group when so many tasks are done.

    Returns:
        The number of entries in the ledger when it died.
    """
    child = subprocess.Popen(
        command(out), cwd=REPOSITORY, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    tasks = out / "store" / "loops" / LOOP_ID / "tasks"
    deadline = time.monotonic() + TIMEOUT_S
    while child.poll() is None and time.monotonic() < deadline:
        if tasks.is_dir() and len(list(tasks.iterdir())) >= after_entries:
            break
        time.sleep(0.02)
    kill(tree_of(child.pid))
    child.wait()
    return len(list(tasks.iterdir()))


def tree_of(root: int) -> list[int]:
    """A process and everything below it, parents first."""
    found = [root]
    for process in found:
        for thread in Path(f"/proc/{process}/task").glob("*/children"):
            try:
                found += [int(child) for child in thread.read_text().split()]
            except OSError:  # it has ended
                continue
    return found


def kill(processes: Iterable[int]) -> None:
    """Ends processes as the kernel does that is out of memory: without a word."""
    for process in processes:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue
