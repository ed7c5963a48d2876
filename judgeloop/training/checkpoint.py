"""The checkpoints of a training process: the files that are needed to resume it, and no others.

A checkpoint holds the adapter, the optimizer, the schedule, the random number generators and the
trainer's state, with the step from which the sampler skips what was trained on. Transformers loads
its tensors with `weights_only`, so that no file of it can run code.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judgeloop.training.job import TrainingJob

if TYPE_CHECKING:
    import transformers

PATTERNS = (
    *("adapter_model.safetensors", "adapter_config.json", "optimizer.pt", "scheduler.pt"),
    *("rng_state*.pth", "trainer_state.json"),
)
"""Names of the files that resuming needs. `training_args.bin`, a pickle, and the processor, which
lies with the base, are not among them."""


def step_name(step: int) -> str:
    """Returns the name of a checkpoint's folder; names sort like steps."""
    return f"{step:06d}"


def checkpoint_writer(job: TrainingJob) -> transformers.TrainerCallback:
    """Returns the callback that brings each checkpoint to `job.checkpoints_folder`."""
    from transformers import TrainerCallback
    from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

    class CheckpointWriter(TrainerCallback):
        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            wait_for_all_processes()  # each process writes its own random state
            if state.is_world_process_zero:
                saved = Path(job.out) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
                move_checkpoint(saved, job.checkpoints_folder / step_name(state.global_step))

    return CheckpointWriter()


def move_checkpoint(saved: Path, to: Path) -> None:
    """Moves what resuming needs of the trainer's checkpoint, and removes the rest.

    Args:
        saved: The folder that the trainer wrote.
        to: Where the checkpoint goes; it appears there whole or not at all.
    """
    kept = saved.with_name(f".{to.name}")
    kept.mkdir()
    for pattern in PATTERNS:
        for file in saved.glob(pattern):
            file.rename(kept / file.name)
    shutil.rmtree(saved)
    to.parent.mkdir(exist_ok=True)
    kept.rename(to)


def wait_for_all_processes() -> None:
    """Waits until every training process has come here; returns at once where there is one."""
    import torch.distributed as processes

    if processes.is_available() and processes.is_initialized():
        processes.barrier()
