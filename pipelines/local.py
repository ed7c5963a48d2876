"""Runs a compiled pipeline on this machine: the file itself, through KFP's local runner.

The runner works in a child process with its output in a log file, since it redirects the standard
output while tasks run and leaves it redirected after a parallel loop. The parent only watches.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from judgeloop.runtime.redaction import LOG_VARIABLE
from judgeloop.store.local_files import write_whole
from judgeloop.store.scratch import scratch_folder
from pipelines.containers import check_engine, remove_containers, use_containers
from pipelines.expand import expand_components
from pipelines.shown_output import show_all_output
from pipelines.spec import read_spec, write_spec

REPOSITORY = Path(__file__).resolve().parent.parent
RUN_LOG, KFP_LOG = "run.log", "kfp.log"
"""The tasks' log lines, and the whole output of Kubeflow's runner and the tasks."""
POLL_S = 0.2
PROCESSES, CONTAINERS = "processes", "containers"
"""Where tasks run: in this environment, or each in its image."""
GRACE_S = 5.0
"""Seconds that an interrupted pipeline may take to end before it is killed."""


def run_compiled(
    package: Path,
    arguments: Mapping[str, Any],
    out: Path,
    watch: Callable[[], None],
    runner: str = PROCESSES,
) -> bool:
    """Runs a compiled pipeline and waits for its end.

    Args:
        package: The compiled pipeline.
        arguments: Its parameters.
        out: The run's folder: `run.log` (log lines with level and stage), `kfp.log` (the output of
            Kubeflow's runner and the tasks), `progress.jsonl`, `mlflow/` and `kfp/` go into it.
        watch: Called a few times a second while the pipeline runs, and once after its end.
        runner: `PROCESSES` or `CONTAINERS`.

    Returns:
        Whether the pipeline succeeded; if not, `kfp.log` has the reason.

    Raises:
        ConfigError: There is no engine to run containers with.
        KeyboardInterrupt: Ctrl-C, SIGTERM or SIGHUP; the pipeline and all its tasks are dead then.
    """
    if runner == CONTAINERS:
        check_engine()
    out = out.resolve()
    (out / "mlflow").mkdir(parents=True, exist_ok=True)
    # New files: processes of a killed run may write to the old ones for another second.
    for name in ("progress.jsonl", RUN_LOG, KFP_LOG):
        (out / name).unlink(missing_ok=True)
    (out / RUN_LOG).touch()
    request = out / "arguments.json"
    write_whole(request, json.dumps(dict(arguments)).encode())
    program = [sys.executable, "-m", "pipelines.local"]
    command = [*program, str(package.resolve()), str(request), str(out / "kfp"), runner]
    with (
        (out / KFP_LOG).open("wb") as log,
        scratch_folder("run") as scratch,
        _terminated_like_interrupted(),
    ):
        # Files that killed tasks and KFP's runner leave behind are removed with this folder. A
        # container has folders of its own.
        temporary = {"TMPDIR": scratch} if runner == PROCESSES else {}
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            env=environment(out) | temporary, start_new_session=True,
        )  # fmt: skip
        try:
            while child.poll() is None:
                watch()
                time.sleep(POLL_S)
        finally:
            _end_group(child)
            if runner == CONTAINERS:
                remove_containers(out)
    watch()
    return child.returncode == 0


def environment(out: Path) -> dict[str, str]:
    """Returns the tasks' environment; variables that the user has set are kept."""
    ours = {
        # With more threads than free cores OpenMP waits in a loop.
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "passive",
    }
    if "MLFLOW_TRACKING_URI" not in os.environ:
        ours["MLFLOW_TRACKING_URI"] = f"sqlite:///{out}/mlflow/mlflow.db"
    paths = [*filter(None, [os.environ.get("PYTHONPATH")]), str(REPOSITORY)]
    fixed = {
        "JUDGELOOP_PROGRESS": str(out / "progress.jsonl"),
        LOG_VARIABLE: str(out / RUN_LOG),
        "PYTHONPATH": os.pathsep.join(paths),
    }
    return {**ours, **os.environ, **fixed}


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """A batch system's SIGTERM and a closed terminal's SIGHUP end the tasks as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # nohup takes precedence
            signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_group(child: subprocess.Popen[bytes]) -> None:
    """Ends the rest of a child's process group: tasks are grandchildren and may outlive it."""
    try:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                child.wait(GRACE_S)
    finally:  # a second Ctrl-C kills at once
        with suppress(ProcessLookupError):  # no process is left
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _run_here(package: str, request: str, root: str, runner: str) -> None:
    """Runs in the child process: raises where the pipeline fails, so that it ends with code 1."""
    import warnings

    show_all_output()  # before Kubeflow's loggers capture the standard output

    from kfp import components, local

    out = Path(root).parent
    threading.Thread(target=_end_with, args=[os.getppid(), out, runner], daemon=True).start()
    # The local runner ignores display names and the image's name, and warns each time.
    warnings.filterwarnings("ignore", message=".*have no effect in the current local runner")
    warnings.filterwarnings("ignore", message="You may be attemping to run a task")
    # KFP's cache is off: the store knows which work is finished.
    chosen = use_containers(out) if runner == CONTAINERS else local.SubprocessRunner(use_venv=False)
    local.init(chosen, pipeline_root=root, enable_caching=False)
    spec = read_spec(Path(package))
    expand_components(spec)
    expanded = out / "expanded.yaml"
    write_spec(spec, expanded)
    pipeline = components.load_component_from_file(str(expanded))
    pipeline(**json.loads(Path(request).read_text(encoding="utf-8")))


def _end_with(parent: int, out: Path, runner: str) -> None:
    """Ends this process group when its parent has been killed, so that it is not orphaned."""
    while os.getppid() == parent:
        time.sleep(1)
    if runner == CONTAINERS:
        remove_containers(out)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    _run_here(*sys.argv[1:])
