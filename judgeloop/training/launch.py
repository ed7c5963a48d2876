"""Starts the training process and waits for it."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from judgeloop.runtime.progress import FILE_VARIABLE, Relay
from judgeloop.schema.errors import TrainingError
from judgeloop.training.dataset import read_examples
from judgeloop.training.failure import ERROR_FILE, explain, read_error
from judgeloop.training.job import TrainingJob
from judgeloop.training.node import ALONE, Node

logger = logging.getLogger(__name__)

GRACE_S = 10.0
"""Time that the process group gets to end before it is killed."""
POLL_S = 0.5
"""Time between two checks for a new checkpoint."""
StoreCheckpoint = Callable[[Path], None]
"""Stores a checkpoint's folder where the next process finds it."""


def train_adapter(
    job: TrainingJob,
    store_checkpoint: StoreCheckpoint = lambda folder: None,
    node: Node = ALONE,
) -> dict[str, float]:
    """Trains an adapter in a process group of its own.

    Leaves `adapter/`, `metrics.json`, `train.log`, `progress.jsonl` and `job.json` in the job's
    output folder; the steps are reported as this process's own.

    Args:
        job: The job; `job.resume` is the checkpoint to resume from.
        store_checkpoint: Called with the newest checkpoint while the training goes on. The folder
            is removed afterwards.
        node: Which node of the training this is. Only the first one writes adapter, metrics and
            checkpoints.

    Returns:
        `first_loss`, `last_loss`, `mean_loss`, `steps`, `examples` and `seconds`, which is
        wall-clock time and so not part of any content; empty on a node that writes nothing.

    Raises:
        TrainingError: An example cannot be used (found before anything is started), or the training
            failed; the message says why and carries the end of its log.
    """
    read_examples(Path(job.examples), Path(job.images))
    job.write()
    job.metrics_file.unlink(missing_ok=True)
    shutil.rmtree(job.errors_folder, ignore_errors=True)
    job.errors_folder.mkdir()
    logger.info("training starts: task=%s log=%s", job.task, job.log_file)
    job.progress_file.unlink(missing_ok=True)
    relay = Relay(job.progress_file)

    def poll() -> None:
        relay()
        store_newest(job.checkpoints_folder, store_checkpoint)

    code = _run(_command(job, node), environment(job), job.log_file, poll)
    relay()
    if code == 0 and not node.writes:
        return {}
    if code != 0 or not job.metrics_file.is_file():
        log = job.log_file.read_bytes().decode(errors="replace")
        raise TrainingError(explain(code, log, read_error(job.errors_folder)))
    return msgspec.json.decode(job.metrics_file.read_bytes(), type=dict[str, float])


def _command(job: TrainingJob, node: Node) -> list[str]:
    """Returns the command line.

    Precision is set here because the user's accelerate profile would otherwise decide it. The
    process itself chooses between GPU and CPU, so that this one need not import torch.
    """
    processes = job.settings.processes
    if node.count > 1:
        address, _, port = node.endpoint.rpartition(":")
        return [
            *(sys.executable, "-m", "torch.distributed.run"),
            *("--nnodes", str(node.count), "--nproc-per-node", str(processes)),
            *("--node-rank", str(node.rank), "--rdzv-backend", "static"),
            *("--rdzv-endpoint", node.endpoint, "--master-addr", address, "--master-port", port),
            *("--rdzv-id", "judgeloop", "--max-restarts", "0"),
            *("--log-dir", str(job.errors_folder)),
            *("-m", "judgeloop.training.sft", "--job", str(job.file)),
        ]
    several = ["--multi_gpu", "--main_process_port", "0", "--log_dir", str(job.errors_folder)]
    return [
        *(sys.executable, "-m", "accelerate.commands.launch"),
        *("--num_processes", str(processes), "--num_machines", "1"),
        *("--mixed_precision", "no", "--dynamo_backend", "no"),
        *(several if processes > 1 else []),
        *("-m", "judgeloop.training.sft", "--job", str(job.file)),
    ]


def environment(job: TrainingJob) -> dict[str, str]:
    """Returns the variables that the training process runs with."""
    package = str(Path(__file__).parents[2])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    changes = {
        "PYTHONPATH": os.pathsep.join(paths),
        "TOKENIZERS_PARALLELISM": "false",
        FILE_VARIABLE: str(job.progress_file),
        # torchrun, which starts several processes, sets a file for each of them instead.
        "TORCHELASTIC_ERROR_FILE": str(job.errors_folder / ERROR_FILE),
    }
    if job.settings.processes == 1:
        # With several GPUs visible, one process would split each batch, which TRL refuses.
        changes["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    if Path(job.base).is_dir():
        changes["HF_HUB_OFFLINE"] = "1"  # everything is local: no look-up can hang or fail
    return os.environ | changes


def store_newest(checkpoints: Path, store_checkpoint: StoreCheckpoint) -> None:
    """Stores the newest checkpoint and removes all of them: older ones are of no use.

    Args:
        checkpoints: Their folder, which need not exist.
        store_checkpoint: Stores the newest.
    """
    found = sorted(checkpoints.iterdir()) if checkpoints.is_dir() else []
    if found:
        store_checkpoint(found[-1])
    for folder in found:
        shutil.rmtree(folder)


def _run(
    command: list[str], environment: dict[str, str], log_file: Path, poll: Callable[[], None]
) -> int:
    """Runs a command to its end and calls `poll` regularly.

    If this process is interrupted, it ends the command's whole group.
    """
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,  # its end of file tells the training that this process is gone
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            while True:
                try:
                    return process.wait(POLL_S)
                except subprocess.TimeoutExpired:
                    poll()
        finally:
            _end_group(process)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    if process.stdin:
        process.stdin.close()
    if process.poll() is None:
        _signal_group(process.pid, signal.SIGTERM)
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            logger.warning("training did not end within %.0f s; killing it", GRACE_S)
    # Children can outlive the launcher, the group's leader.
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return
