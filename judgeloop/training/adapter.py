"""The LoRA adapter: added to its base, checked after training, and saved.

Adapters sit on the language layers alone: engines such as vLLM ignore weights on the vision tower
with only a warning.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from judgeloop.models.peft_folder import check_adapter
from judgeloop.schema.errors import TrainingError
from judgeloop.schema.training_section import TrainingSection
from judgeloop.training.job import TrainingJob

if TYPE_CHECKING:
    import torch
    from peft import LoraConfig

LANGUAGE_LAYERS = (
    r".*(language_model|text_model).*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
)
"""Modules that get an adapter: `text_model` is Idefics3's name, `language_model` that of others."""


def load_model(job: TrainingJob, dtype: torch.dtype) -> Any:
    """Loads the base and adds the job's adapter, or a new one.

    Args:
        job: Names the base, the adapter to continue with, rank and alpha.
        dtype: Dtype of the base's weights; the adapter's own are float32.

    Raises:
        TrainingError: The adapter to continue with has another rank or alpha.
        EngineError: It has no safetensors weights, or is no plain LoRA adapter of just these.
    """
    from peft import PeftModel, get_peft_model
    from transformers import AutoModelForImageTextToText, set_seed

    base = AutoModelForImageTextToText.from_pretrained(
        job.base,
        revision=job.revision,
        dtype=dtype,
        use_safetensors=True,
        trust_remote_code=False,
    )
    set_seed(job.seed)
    if job.adapter is None:
        return get_peft_model(base, new_adapter(job.settings))
    check_adapter(Path(job.adapter), job.adapter, network=base)
    model = PeftModel.from_pretrained(base, job.adapter, is_trainable=True)
    _check_shape(job, model)
    # The name of a built-in base is not a location, but saving a checkpoint looks for the base
    # there.
    model.peft_config["default"].base_model_name_or_path = job.base
    return model


def new_adapter(settings: TrainingSection) -> LoraConfig:
    """Returns the LoRA configuration of a new adapter."""
    from peft import LoraConfig

    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        target_modules=LANGUAGE_LAYERS,
        task_type="CAUSAL_LM",
    )


def _check_shape(job: TrainingJob, model: Any) -> None:
    config = model.peft_config["default"]
    have = (config.r, config.lora_alpha)
    asked = (job.settings.rank, job.settings.alpha)
    if have != asked:
        raise TrainingError(
            f"the adapter to continue from has rank and alpha {have}, but training.rank and "
            f"training.alpha ask for {asked}; set the same, or training.start=base"
        )


def fingerprints(model: Any) -> dict[str, int]:
    """Maps each parameter's name to the sum of its bit patterns, read as integers.

    In practice any update changes the sum, and the base need not be copied.
    """
    import torch

    patterns = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    return {
        name: int(value.detach().view(patterns[value.element_size()]).sum())
        for name, value in model.named_parameters()
    }


def check_movement(before: dict[str, int], after: dict[str, int], updates: int, new: bool) -> None:
    """Checks that training changed the whole adapter and nothing else.

    Args:
        before: `fingerprints` before training.
        after: `fingerprints` after training.
        updates: Optimizer steps with a learning rate above zero.
        new: Whether the adapter was new: its B starts at zero, so A gets no gradient until B has
            changed once.

    Raises:
        TrainingError: A parameter that should have changed did not, or the reverse; the message
            names the first.
    """
    if updates == 0:
        raise TrainingError(
            "no step had a learning rate above zero, so nothing was learned; raise "
            "training.max_steps or training.epochs, or set training.warmup_ratio=0"
        )
    for name, value in before.items():
        moved = after[name] != value
        if "lora_" not in name:
            if moved:
                raise TrainingError(f"training changed {name}, which belongs to the frozen base")
            continue
        due = updates >= (2 if new and "lora_A" in name else 1)
        if due and not moved:
            raise TrainingError(
                f"training did not change {name} in {updates} steps; check that the learning rate "
                "is not vanishing and that the examples reach every language layer"
            )


def save_adapter(job: TrainingJob, model: Any) -> None:
    """Writes the adapter's two files, the same bytes for the same weights on any machine."""
    config = model.peft_config["default"]
    config.base_model_name_or_path = job.base_name
    config.revision = job.revision
    model.save_pretrained(job.adapter_folder, save_embedding_layers=False)
    (job.adapter_folder / "README.md").unlink(missing_ok=True)
