"""Every training setting reaches TRL or PEFT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from judgeloop.schema.training_section import TrainingSection
from judgeloop.training.adapter import new_adapter
from judgeloop.training.job import TrainingJob
from judgeloop.training.sft import training_arguments

SETTINGS = TrainingSection(kind="lora", max_steps=3)
ELSEWHERE = {
    "kind",  # chooses the trainer: tests/unit/test_train_stage.py
    "where",  # in a TrainJob it is the same process: tests/contract/test_trainjob.py
    "data",
    "current_share",  # choose the examples: tests/unit/test_training_set.py
    "start",  # chooses the model: tests/unit/test_stage_keys.py
    "dtype",  # of the weights, and `half` below
    "processes",  # of accelerate: tests/unit/test_training_job.py
    "nodes",  # of torchrun: tests/loop/test_two_nodes.py
}


def arguments(folder: Path, seed: int = 7, **changes: Any) -> dict[str, Any]:
    job = TrainingJob(
        base="b", base_name="b", examples="e", images="i", seed=seed, out=str(folder), task="t",
        max_pixels=1, background="white",
        settings=msgspec.structs.replace(SETTINGS, **changes),
    )  # fmt: skip
    made = training_arguments(job, on_gpu=False, half=False, messages=False)
    return dict(made.to_dict())


CASES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"learning_rate": 0.5}, {"learning_rate": 0.5}),
    ({"schedule": "linear"}, {"lr_scheduler_type": "linear"}),
    ({"schedule": "constant"}, {"lr_scheduler_type": "constant"}),
    ({"warmup_ratio": 0.25}, {"warmup_steps": 0.25}),
    ({"weight_decay": 0.125}, {"weight_decay": 0.125}),
    ({"max_steps": 11}, {"max_steps": 11}),
    ({"checkpoint_steps": 7}, {"save_steps": 7}),
    ({"epochs": 2.5, "max_steps": None}, {"num_train_epochs": 2.5, "max_steps": -1}),
    (
        {"batch_size": 64, "micro_batch_size": 8},
        {"per_device_train_batch_size": 8, "gradient_accumulation_steps": 8},
    ),
]


@pytest.mark.parametrize(("settings", "expected"), CASES, ids=str)
def test_a_setting_is_an_argument_of_the_trainer(
    settings: dict[str, Any], expected: dict[str, Any], tmp_path: Path
) -> None:
    made, default = arguments(tmp_path, **settings), arguments(tmp_path)
    assert {name: made[name] for name in expected} == expected
    assert {name: default[name] for name in expected} != expected


def test_the_seed_decides_the_order_of_the_examples_too(tmp_path: Path) -> None:
    made = arguments(tmp_path, seed=11)
    assert (made["seed"], made["data_seed"]) == (11, 11)


def test_rank_and_alpha_are_those_of_the_adapter() -> None:
    made = new_adapter(msgspec.structs.replace(SETTINGS, rank=3, alpha=5))
    assert (made.r, made.lora_alpha) == (3, 5)


def test_no_setting_is_forgotten_here() -> None:
    tried = {name for settings, _ in CASES for name in settings} | {"rank", "alpha"} | ELSEWHERE
    assert tried == {field.name for field in msgspec.structs.fields(TrainingSection)}
