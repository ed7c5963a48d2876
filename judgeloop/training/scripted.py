"""Training of the scripted model: writes an adapter with more skill, without torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from judgeloop.engines.scripted_model import (
    ADAPTER_FILE,
    ScriptedAdapter,
    read_adapter,
    read_base,
)
from judgeloop.models.local import LocalModel
from judgeloop.schema.records import Example, to_json
from judgeloop.schema.training_section import TrainingSection


def train_scripted(
    model: LocalModel, examples: Iterable[Example], settings: TrainingSection, out: Path
) -> dict[str, float]:
    """Writes the adapter of a trained scripted model: the same bytes for the same arguments.

    Args:
        model: The model to train.
        examples: Examples to train on; only their number and their bytes matter.
        settings: `start: base` ignores the model's adapter.
        out: Folder to write; created if needed.

    Returns:
        Metrics: `skill` after training and `examples`.

    Raises:
        ConfigError: The base is not a scripted model.
        EngineError: The adapter is not a scripted adapter.
    """
    base = read_base(model.base)
    skill = base.skill
    if settings.start == "previous" and model.adapter is not None:
        skill = read_adapter(model.adapter).skill
    digest = hashlib.sha256()
    count = 0
    for example in examples:
        digest.update(to_json(example) + b"\n")
        count += 1
    if count:
        skill += base.gain * (1 - skill)
    adapter = ScriptedAdapter(skill=skill, examples=count, examples_sha256=digest.hexdigest())
    out.mkdir(parents=True, exist_ok=True)
    (out / ADAPTER_FILE).write_bytes(msgspec.json.encode(adapter))
    return {"skill": skill, "examples": float(count)}
