"""Every training setting reaches TRL or PEFT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from judgeloop.schema.training_section import TrainingSection
from judgeloop.training.adapter import LANGUAGE_LAYERS, new_adapter
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
    "processes",  # of accelerate: tests/unit/test_training_launch.py
    "nodes",  # of torchrun, and below: tests/unit/test_training_launch.py
}


def make_job(folder: Path, seed: int = 7, **changes: Any) -> TrainingJob:
    return TrainingJob(
        base="b", base_name="b", examples="e", images="i", seed=seed, out=str(folder), task="t",
        max_pixels=1, background="white",
        settings=msgspec.structs.replace(SETTINGS, **changes),
    )  # fmt: skip


def arguments(folder: Path, seed: int = 7, **changes: Any) -> dict[str, Any]:
    job = make_job(folder, seed, **changes)
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


ON_A_CPU = {
    **{"learning_rate": 1e-4, "lr_scheduler_type": "cosine", "warmup_steps": 0.03},
    **{"weight_decay": 0.0, "num_train_epochs": 1, "max_steps": 3, "seed": 7, "data_seed": 7},
    **{"per_device_train_batch_size": 4, "gradient_accumulation_steps": 32},
    **{"max_length": None, "completion_only_loss": True, "assistant_only_loss": False},
    **{"remove_unused_columns": False, "dataloader_num_workers": 0, "dataloader_pin_memory": False},
    **{"use_cpu": True, "ddp_backend": None, "bf16": False},
    **{"gradient_checkpointing": False, "gradient_checkpointing_kwargs": None},
    **{"save_strategy": "steps", "save_steps": 50},
    **{"logging_steps": 1, "logging_nan_inf_filter": False, "disable_tqdm": True},
    **{"report_to": "none"},
}
ON_A_GPU = {"use_cpu": False, "dataloader_pin_memory": True}
HALF = {
    **{"bf16": True, "gradient_checkpointing": True},
    "gradient_checkpointing_kwargs": {"use_reentrant": False},
}


@pytest.mark.parametrize(
    ("place", "settings", "expected"),
    [
        ({}, {}, {}),
        ({"on_gpu": True}, {}, ON_A_GPU),
        ({"on_gpu": True, "half": True}, {}, ON_A_GPU | HALF),
        ({"messages": True}, {}, {"completion_only_loss": False, "assistant_only_loss": True}),
        ({}, {"nodes": 2}, {"ddp_backend": "gloo", "gradient_accumulation_steps": 16}),
        (
            {"on_gpu": True},
            {"nodes": 2, "processes": 4},
            ON_A_GPU | {"gradient_accumulation_steps": 4},
        ),
    ],
    ids=["cpu", "gpu", "bfloat16", "messages", "nodes", "nodes with gpus"],
)
def test_the_trainer_is_told_these_arguments_and_no_others(
    place: dict[str, bool],
    settings: dict[str, int],
    expected: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = make_job(tmp_path, where="trainjob", **settings)
    monkeypatch.setattr("trl.SFTConfig", dict)  # which asks for a GPU, and for the other nodes
    told = training_arguments(job, **({"on_gpu": False, "half": False, "messages": False} | place))
    assert told == ON_A_CPU | expected | {"output_dir": str(tmp_path)}


def test_rank_and_alpha_are_those_of_the_adapter() -> None:
    made = new_adapter(msgspec.structs.replace(SETTINGS, rank=3, alpha=5))
    assert (made.r, made.lora_alpha, made.task_type) == (3, 5, "CAUSAL_LM")
    assert made.target_modules == LANGUAGE_LAYERS


def test_no_setting_is_forgotten_here() -> None:
    tried = {name for settings, _ in CASES for name in settings} | {"rank", "alpha"} | ELSEWHERE
    assert tried == {field.name for field in msgspec.structs.fields(TrainingSection)}
