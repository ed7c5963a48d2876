"""The section of fine-tuning."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from judgeloop.schema.section import Positive, Section


class TrainingSection(Section, frozen=True, kw_only=True):
    """Fine-tuning by LoRA (TRL + PEFT), loss on the completion only."""

    kind: Literal["lora", "scripted"]
    where: Literal["pod", "trainjob"] = "pod"
    """On a cluster: in the pod of the pipeline's task, or in a TrainJob of Kubeflow Trainer that
    the task creates and follows. Both produce the same bytes."""
    start: Literal["previous", "best", "base"] = "previous"
    """Train on from the previous judge, from the best on the held-out pairs so far, or from the
    base."""
    data: Literal["current", "all", "mixture"] = "current"
    """Train on this iteration's examples, on all so far, or on these and a share of earlier
    ones."""
    current_share: Annotated[float, Meta(gt=0, le=1)] = 0.5
    """In a mixture, this iteration's share of the examples."""
    rank: Positive = 16
    alpha: Positive = 32
    learning_rate: Annotated[float, Meta(gt=0)] = 1e-4
    epochs: Annotated[float, Meta(gt=0)] | None = None
    max_steps: Positive | None = None
    """Exactly one of `epochs` and `max_steps` is set."""
    batch_size: Positive = 128
    micro_batch_size: Positive = 4
    warmup_ratio: Annotated[float, Meta(ge=0, lt=1)] = 0.03
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: Annotated[float, Meta(ge=0)] = 0.0
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    processes: Positive = 1
    """Training processes per node (one per GPU)."""
    nodes: Positive = 1
    """Nodes of a TrainJob that train together, started by `torchrun`; more than one need
    `where: trainjob`. The batch of an optimizer step stays `batch_size`."""
    checkpoint_steps: Positive = 50
    """Optimizer steps between two checkpoints, from which an interrupted training resumes."""

    def __post_init__(self) -> None:
        """Refuses conflicting lengths and batches that don't divide."""
        if (self.epochs is None) == (self.max_steps is None):
            raise ValueError("set exactly one of epochs and max_steps")
        if self.nodes > 1 and self.where != "trainjob":
            raise ValueError("nodes are those of a TrainJob: more than one need where: trainjob")
        if self.batch_size % (self.micro_batch_size * self.processes * self.nodes):
            raise ValueError(
                "batch_size must be a multiple of micro_batch_size x processes x nodes"
            )
