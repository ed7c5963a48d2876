"""The checkpoints of a training process: the files that are needed to resume it, and no others.

A checkpoint holds the adapter, the optimizer, the schedule, the random number generators and the
trainer's state, with the step up to which the sampler skips examples. Transformers loads its
tensors with `weights_only`, so that no file of it can run code.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from judgeloop.schema.errors import TrainingError
from judgeloop.training.job import TrainingJob

if TYPE_CHECKING:
    import transformers

T = TypeVar("T")

PATTERNS = (
    *("adapter_model.safetensors", "adapter_config.json", "optimizer.pt", "scheduler.pt"),
    *("rng_state*.pth", "trainer_state.json"),
)
"""Names of the files that resuming needs. `training_args.bin`, a pickle, and the processor, which
comes with the base, are not among them."""


def step_name(step: int) -> str:
    """Returns the name of a checkpoint's folder; names sort in the order of steps."""
    return f"{step:06d}"


def checkpoint_writer(job: TrainingJob) -> transformers.TrainerCallback:
    """Returns the callback that moves each checkpoint to `job.checkpoints_folder`."""
    from transformers import TrainerCallback
    from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

    class CheckpointWriter(TrainerCallback):
        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            saved = Path(job.out) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
            states = gather_random_states(saved)
            if state.is_world_process_zero:
                for name, content in states.items():
                    (saved / name).write_bytes(content)
                move_checkpoint(saved, job.checkpoints_folder / step_name(state.global_step))
            elif state.is_local_process_zero:  # on another node, whose disk is not read
                shutil.rmtree(saved)

    return CheckpointWriter()


def move_checkpoint(saved: Path, to: Path) -> None:
    """Moves the files of the trainer's checkpoint that resuming needs, and removes the rest.

    Args:
        saved: The folder that the trainer wrote.
        to: Target folder; the checkpoint appears there atomically.
    """
    kept = saved.with_name(f".{to.name}")
    kept.mkdir()
    for pattern in PATTERNS:
        for file in saved.glob(pattern):
            file.rename(kept / file.name)
    shutil.rmtree(saved)
    to.parent.mkdir(exist_ok=True)
    kept.rename(to)


def gather_random_states(saved: Path) -> dict[str, bytes]:
    """Collects the files of the random states: each process writes its own, on its node's disk.

    Args:
        saved: The folder that the trainer wrote.

    Returns:
        The contents by name, the same in every process; empty if there is one process.
    """
    return dict(of_all_processes(lambda rank: _random_state(saved, rank)))


def _random_state(saved: Path, rank: int) -> tuple[str, bytes]:
    name = f"rng_state_{rank}.pth"
    return name, (saved / name).read_bytes()


def check_same_step(resume: str | None) -> None:
    """Refuses processes that resume from different checkpoints.

    Each node fetches its checkpoint from the store by itself; one that cannot read the newest takes
    an older one, and the nodes would mix gradients of different steps.

    Args:
        resume: The folder of this process's checkpoint; None at the first step.

    Raises:
        TrainingError: They differ.
    """
    step = Path(resume).name if resume else None
    steps = of_all_processes(lambda _: step)
    if len(set(steps)) > 1:
        named = ", ".join("none" if each is None else each for each in steps)
        raise TrainingError(
            f"the processes resume from different checkpoints ({named}): one node could not read "
            "the newest; run the training again"
        )


def of_all_processes(value: Callable[[int], T]) -> list[T]:
    """Gathers a value of every training process, by rank; empty if there is one process.

    Args:
        value: Returns the value of this process, given its rank.
    """
    import torch.distributed as processes

    if not (processes.is_available() and processes.is_initialized()):
        return []
    said: list[Any] = [None] * processes.get_world_size()
    processes.all_gather_object(said, value(processes.get_rank()))
    return said
