"""The training process: TRL's trainer on one job, `python -m judgeloop.training.sft --job FILE`.

It covers the settings, progress, checks of loss and weights, checkpoints and saving. Evaluation is
a stage of its own.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from judgeloop.models.control_tokens import ControlTokens
from judgeloop.runtime.garbage_collector import collect_rarely
from judgeloop.runtime.progress import Progress
from judgeloop.runtime.redaction import hide_secrets
from judgeloop.schema.errors import TrainingError
from judgeloop.schema.records import Example
from judgeloop.schema.results import LOSS
from judgeloop.training.adapter import check_movement, fingerprints, load_model, save_adapter
from judgeloop.training.checkpoint import check_same_step, checkpoint_writer
from judgeloop.training.dataset import make_dataset, read_examples, wants_messages
from judgeloop.training.job import TrainingJob, read_job
from judgeloop.training.template import mark_assistant

if TYPE_CHECKING:
    import transformers
    import trl

logger = logging.getLogger(__name__)
MAX_POINTS = 500
"""Number of steps whose loss is kept."""


def main(job: TrainingJob) -> None:
    """Trains an adapter and writes it and its metrics into the job's output folder.

    Raises:
        TrainingError: The examples, the adapter or the GPUs don't fit the job, the loss was zero or
            not finite, or a parameter changed that should not have, or the reverse.
    """
    started = time.monotonic()
    examples = read_examples(Path(job.examples), Path(job.images))
    trainer = make_trainer(job, examples)
    logger.info("pid=%d examples=%d device=%s", os.getpid(), len(examples), trainer.args.device)
    check_same_step(job.resume)
    before = fingerprints(trainer.model)
    trainer.train(resume_from_checkpoint=job.resume)
    if trainer.is_world_process_zero():
        steps = [entry for entry in trainer.state.log_history if "loss" in entry]
        updates = sum(entry["learning_rate"] > 0 for entry in steps)
        check_movement(before, fingerprints(trainer.model), updates, new=job.adapter is None)
        save_adapter(job, trainer.model)
        losses = [entry["loss"] for entry in steps]
        _write_metrics(job, losses, len(examples), time.monotonic() - started)


def make_trainer(job: TrainingJob, examples: Sequence[Example]) -> trl.SFTTrainer:
    """Creates TRL's trainer for a job; all random choices follow the job's seed.

    Raises:
        TrainingError: There are fewer GPUs than processes, or the adapter or the chat template does
            not fit.
    """
    on_gpu = _check_devices(job)
    import torch
    from transformers import AutoProcessor
    from transformers.trainer_callback import PrinterCallback
    from trl import SFTTrainer

    half = on_gpu and job.settings.dtype == "bfloat16"
    model = load_model(job, torch.bfloat16 if half else torch.float32)
    processor = AutoProcessor.from_pretrained(
        job.base, revision=job.revision, trust_remote_code=False
    )
    model_type = model.config.model_type
    messages = wants_messages(model_type)
    if messages:
        mark_assistant(processor, (len(example.images) for example in examples))
    trainer = SFTTrainer(
        model=model,
        args=training_arguments(job, on_gpu=on_gpu, half=half, messages=messages),
        train_dataset=make_dataset(
            examples, job.open_image, model_type, ControlTokens.of(processor)
        ),
        processing_class=processor,
        callbacks=[_reporter(job.task), checkpoint_writer(job)],
    )
    trainer.remove_callback(PrinterCallback)  # it prints each step's figures, which are logged here
    return trainer


def _check_devices(job: TrainingJob) -> bool:
    """Returns whether to train on GPUs; refuses more processes than there are."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if job.settings.processes > max(count, 1):
        raise TrainingError(
            f"training.processes is {job.settings.processes}, one per GPU, but {count} GPUs are "
            "here; lower it or ask for more GPUs"
        )
    if count == 0 and job.settings.dtype != "float32":
        logger.warning("training.dtype=%s needs a GPU; float32 is used", job.settings.dtype)
    return count > 0


def training_arguments(job: TrainingJob, on_gpu: bool, half: bool, messages: bool) -> trl.SFTConfig:
    """Returns the trainer's arguments.

    Args:
        job: The job.
        on_gpu: Whether there is a GPU.
        half: Whether weights are bfloat16.
        messages: Whether rows are messages, in which the template marks the tokens of the loss.
    """
    from trl import SFTConfig

    settings = job.settings
    rows = settings.micro_batch_size * settings.processes * settings.nodes
    return SFTConfig(
        output_dir=job.out,
        num_train_epochs=settings.epochs or 1,
        max_steps=settings.max_steps or -1,
        per_device_train_batch_size=settings.micro_batch_size,
        gradient_accumulation_steps=settings.batch_size // rows,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.schedule,
        warmup_steps=settings.warmup_ratio,  # a value below 1 is a share of all steps
        weight_decay=settings.weight_decay,
        max_length=None,  # the default silently truncates long rows, image tokens first
        completion_only_loss=not messages,
        assistant_only_loss=messages,
        remove_unused_columns=False,  # the dataset's columns are those of its transform
        dataloader_num_workers=0,
        dataloader_pin_memory=on_gpu,
        use_cpu=not on_gpu,
        ddp_backend=None if on_gpu or settings.nodes == 1 else "gloo",
        bf16=half,
        gradient_checkpointing=half,
        gradient_checkpointing_kwargs={"use_reentrant": False} if half else None,
        seed=job.seed,
        data_seed=job.seed,
        save_strategy="steps",
        save_steps=settings.checkpoint_steps,
        logging_steps=1,
        logging_nan_inf_filter=False,  # it would hide a broken loss
        disable_tqdm=True,
        report_to="none",
    )


def _reporter(task: str) -> transformers.TrainerCallback:
    """Returns the callback that reports each step and stops at an invalid loss."""
    from transformers import TrainerCallback

    class Reporter(TrainerCallback):
        progress: Progress | None = None

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.is_world_process_zero:
                self.progress = Progress(task, state.max_steps, "steps")
                if state.global_step:
                    self.progress.advance(state.global_step, "resumed from a checkpoint")

        def on_log(self, args: Any, state: Any, control: Any, logs: Any, **_: Any) -> None:
            if "loss" not in logs:
                return
            loss = float(logs["loss"])
            check_loss(loss, state.global_step)
            if self.progress is not None:
                self.progress.advance(1, f"loss {loss:.2f}")
                logger.info("step=%d/%d loss=%.4f", state.global_step, state.max_steps, loss)

    return Reporter()


def check_loss(loss: float, step: int) -> None:
    """Refuses a loss that shows a broken training.

    Raises:
        TrainingError: The loss is not finite, or exactly zero: then no token was trained on.
    """
    if not math.isfinite(loss):
        raise TrainingError(
            f"step {step}: the loss is {loss}; lower training.learning_rate or use float32"
        )
    if loss == 0.0:
        raise TrainingError(
            f"step {step}: the loss is exactly 0, so no token of the completions was trained on; "
            "check the base's chat template and that the completions are not empty"
        )


def _write_metrics(job: TrainingJob, losses: list[float], examples: int, seconds: float) -> None:
    metrics = {
        "first_loss": losses[0],
        "last_loss": losses[-1],
        "mean_loss": sum(losses) / len(losses),
        "steps": float(len(losses)),
        "examples": float(examples),
        "seconds": seconds,
    } | {f"{LOSS}{step}": loss for step, loss in thinned(losses)}
    job.metrics_file.write_bytes(msgspec.json.encode(metrics) + b"\n")


def thinned(losses: Sequence[float]) -> list[tuple[int, float]]:
    """Returns (step, loss) of at most `MAX_POINTS` steps, evenly spaced, the last one among them.

    Args:
        losses: The loss of step 1, 2, ...; at least one.
    """
    apart = -(-len(losses) // MAX_POINTS)
    return list(enumerate(losses, start=1))[::-apart][::-1]


def _run(job: TrainingJob) -> None:
    """Trains; an exception is written to the file that TORCHELASTIC_ERROR_FILE names."""
    from torch.distributed.elastic.multiprocessing.errors import record

    record(main)(job)


def _end_with_parent() -> None:
    """Ends this process when the stage that started it is gone, even if it was killed.

    The stage holds the other end of our standard input and never writes to it.
    """

    def wait() -> None:
        # not sys.stdin: a thread blocked in its buffer would abort the interpreter's shutdown
        os.read(0, 1)
        logger.error("the parent process has exited; stopping")
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Trains one adapter.")
    parser.add_argument("--job", type=Path, required=True)
    hide_secrets("%(asctime)s %(levelname)s stage=train %(name)s %(message)s", "INFO")
    _end_with_parent()
    collect_rarely()
    _run(read_job(parser.parse_args().job))
