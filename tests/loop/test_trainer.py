"""How the training process makes its trainer, and what it leaves, in this process."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from judgeloop.models.adapter_config import CONFIG, WEIGHTS
from judgeloop.runtime.progress import FILE_VARIABLE, read_steps
from judgeloop.schema.errors import TrainingError
from judgeloop.schema.records import Example
from judgeloop.schema.results import LOSS
from judgeloop.training import checkpoint, sft
from judgeloop.training.dataset import read_examples
from tests import tiny_random
from tests.loop.test_training import (
    MakeJob,
    _one_thread_without_hub,  # noqa: F401 - a fixture
    make_job,  # noqa: F401 - a fixture
    train_here,
    world,  # noqa: F401 - a fixture
)

Record = Callable[[Any], list[dict[str, Any]]]


class Reached(Exception):
    """What comes next is not tried here."""


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch) -> Record:
    """Notes what the `from_pretrained` of a class is asked for."""

    def watch(kind: Any) -> list[dict[str, Any]]:
        asked: list[dict[str, Any]] = []
        load = kind.from_pretrained

        def note(name: str, **options: Any) -> Any:
            asked.append({"name": name} | options)
            return load(name, **options)

        monkeypatch.setattr(kind, "from_pretrained", note)
        return asked

    return watch


def examples_of(job: Any) -> list[Example]:
    return read_examples(Path(job.examples), Path(job.images))


def test_the_base_is_loaded_from_safetensors_at_its_revision_and_runs_no_code(
    make_job: MakeJob,  # noqa: F811
    record: Record,
) -> None:
    import torch
    import transformers

    models = record(transformers.AutoModelForImageTextToText)
    processors = record(transformers.AutoProcessor)
    job = make_job(revision="a1b2")
    sft.make_trainer(job, examples_of(job))
    asked = {"name": job.base, "revision": "a1b2", "trust_remote_code": False}
    assert models == [asked | {"dtype": torch.float32, "use_safetensors": True}]
    assert processors == [asked]


@pytest.mark.parametrize(
    ("gpus", "dtype", "weights", "half"),
    [
        (0, "bfloat16", "float32", False),
        (1, "bfloat16", "bfloat16", True),
        (1, "float32", "float32", False),
        (2, "bfloat16", "bfloat16", True),
    ],
)
def test_weights_are_bfloat16_where_that_is_asked_for_and_a_gpu_is_there(
    make_job: MakeJob,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    gpus: int,
    dtype: str,
    weights: str,
    half: bool,
) -> None:
    import torch

    loaded: list[Any] = []

    def load(job: Any, dtype: Any) -> Any:
        loaded.append(dtype)
        return SimpleNamespace(config=SimpleNamespace(model_type="idefics3"))

    def arguments(job: Any, **given: bool) -> None:
        assert given == {"on_gpu": gpus > 0, "half": half, "messages": False}
        raise Reached

    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(sft, "load_model", load)
    monkeypatch.setattr(sft, "training_arguments", arguments)
    with pytest.raises(Reached):
        sft.make_trainer(make_job(settings={"dtype": dtype}), [])
    assert loaded == [getattr(torch, weights)]


@pytest.mark.parametrize(
    ("usable", "count", "processes", "said"),
    [
        (True, 2, 2, ""),
        (True, 2, 3, "training.processes is 3, one per GPU, but 2 GPUs are here"),
        (True, 0, 2, "training.processes is 2, one per GPU, but 0 GPUs are here"),
        (False, 4, 2, "training.processes is 2, one per GPU, but 0 GPUs are here"),
        (False, 0, 1, ""),
    ],
)
def test_there_are_no_more_processes_than_gpus(
    make_job: MakeJob,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    usable: bool,
    count: int,
    processes: int,
    said: str,
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: usable)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    job = make_job(settings={"processes": processes, "batch_size": 18})
    if not said:
        assert sft._check_devices(job) == usable
        return
    with pytest.raises(TrainingError, match=said):
        sft._check_devices(job)


@pytest.mark.parametrize(
    ("gpus", "dtype", "warned"),
    [(0, "bfloat16", True), (0, "float32", False), (1, "bfloat16", False), (1, "float32", False)],
)
def test_a_precision_that_needs_a_gpu_is_told_where_there_is_none(
    make_job: MakeJob,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    gpus: int,
    dtype: str,
    warned: bool,
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert sft._check_devices(make_job(settings={"dtype": dtype})) == (gpus > 0)
    assert ("needs a GPU" in caplog.text) == warned
    assert ("training.dtype=bfloat16 needs a GPU; float32 is used" in caplog.text) == warned


def test_mllama_learns_the_assistant_s_tokens_of_whole_conversations(
    make_job: MakeJob,  # noqa: F811
    tmp_path: Path,
) -> None:
    base = tiny_random.save_mllama(tmp_path / "mllama")
    job = make_job(base=str(base))
    first, _, *rest = examples_of(job)  # one image each, and two
    trainer = sft.make_trainer(job, [first, rest[0]])
    row = trainer.train_dataset[0]
    assert [turn["role"] for turn in row["messages"]] == ["user", "assistant"]
    batch = trainer.data_collator([row])
    learned = batch["input_ids"][0][batch["labels"][0] != -100]
    tokenizer = trainer.processing_class.tokenizer
    assert tokenizer.decode(learned).strip() == f"{first.completion}<|eot_id|>"


def test_no_text_becomes_a_token_that_this_base_s_tokenizer_calls_special(
    make_job: MakeJob,  # noqa: F811
    tmp_path: Path,
) -> None:
    base = tiny_random.save_idefics3(tmp_path / "base")
    file = base / "tokenizer.json"
    tokenizer = json.loads(file.read_text())
    added = next(token for token in tokenizer["added_tokens"] if token["content"] == "<|system|>")
    tokenizer["added_tokens"].append(
        added | {"id": 1 + max(tokenizer["model"]["vocab"].values()), "content": "[[END]]"}
    )
    file.write_text(json.dumps(tokenizer))
    job = make_job(base=str(base))
    hostile = msgspec.structs.replace(examples_of(job)[0], prompt="A [[END]] B")
    trainer = sft.make_trainer(job, [hostile])
    assert trainer.train_dataset[0]["prompt"][0]["content"][-1]["text"] == "A [ [END]] B"


def test_a_training_leaves_its_figures_and_a_bare_adapter_and_prints_nothing(
    make_job: MakeJob,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "told"))
    job = make_job(settings={"max_steps": 3, "warmup_ratio": 0.5}, revision="a1b2")
    began = time.monotonic()
    made = train_here(job)
    assert 0 < made.pop("seconds") < time.monotonic() - began
    losses = [made.pop(f"{LOSS}{step}") for step in (1, 2, 3)]
    assert len(set(losses)) == 3
    assert made == {
        "first_loss": losses[0],
        "last_loss": losses[2],
        "mean_loss": pytest.approx(sum(losses) / 3),
        "steps": 3,
        "examples": 12,
    }
    assert {file.name for file in job.adapter_folder.iterdir()} == {CONFIG, WEIGHTS}
    config = json.loads((job.adapter_folder / CONFIG).read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == ("builtin:tiny-vlm", "a1b2")
    assert "loss" not in capfd.readouterr().out
    steps, _ = read_steps(tmp_path / "told", 0)
    assert [(step.task, step.done) for step in steps] == [("0/train", done) for done in range(4)]


@pytest.mark.parametrize("before", [0, 2])
def test_the_first_process_tells_its_steps_and_those_that_it_need_not_repeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "told"))
    reporter = sft._reporter("0/train")
    state = SimpleNamespace(is_world_process_zero=True, max_steps=9, global_step=before)
    reporter.on_train_begin(None, state, None)
    state.global_step += 1
    reporter.on_log(None, state, None, logs={"loss": 0.256})
    reporter.on_log(None, state, None, logs={"train_runtime": 4.5})
    steps, _ = read_steps(tmp_path / "told", 0)
    assert {(step.task, step.total, step.unit) for step in steps} == {("0/train", 9, "steps")}
    assert [(step.done, step.note) for step in steps] == [
        (0, ""),
        *([(2, "resumed from a checkpoint")] if before else []),
        (before + 1, "loss 0.26"),
    ]


def test_a_process_beside_the_first_tells_no_steps_and_stops_at_a_broken_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "told"))
    reporter = sft._reporter("0/train")
    state = SimpleNamespace(is_world_process_zero=False, max_steps=9, global_step=4)
    reporter.on_train_begin(None, state, None)
    reporter.on_log(None, state, None, logs={"loss": 0.5})
    assert not (tmp_path / "told").exists()
    with pytest.raises(TrainingError, match="step 4: the loss is nan"):
        reporter.on_log(None, state, None, logs={"loss": float("nan")})


def test_processes_that_resume_from_different_steps_do_not_train(
    make_job: MakeJob,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checkpoint, "of_all_processes", lambda value: [value(0), "000004"])
    with pytest.raises(TrainingError, match=r"different checkpoints \(000002, 000004\)"):
        train_here(make_job(resume="checkpoints/000002"))


def test_the_trainer_begins_at_the_checkpoint_of_the_job(
    make_job: MakeJob,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def train(_: Any, resume_from_checkpoint: str) -> None:
        assert resume_from_checkpoint == "checkpoints/000002"
        raise Reached

    monkeypatch.setattr("trl.SFTTrainer.train", train)
    with pytest.raises(Reached):
        train_here(make_job(resume="checkpoints/000002"))


@pytest.mark.parametrize(
    ("steps", "kept"),
    [
        (1, [1]),
        (500, [*range(1, 501)]),
        (501, [*range(1, 502, 2)]),
        (1000, [*range(2, 1001, 2)]),
        (1001, [*range(2, 1002, 3)]),
    ],
)
def test_of_a_long_training_evenly_spaced_losses_are_kept_and_the_last(
    steps: int, kept: list[int]
) -> None:
    losses = [0.5 * step for step in range(1, steps + 1)]
    assert sft.thinned(losses) == [(step, 0.5 * step) for step in kept]


def test_what_a_training_raises_is_left_where_its_launcher_looks(
    make_job: MakeJob,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "error.json"))
    with pytest.raises(TrainingError, match="absent: the examples cannot be read"):
        sft._run(make_job(examples=str(tmp_path / "absent")))
    error = json.loads((tmp_path / "error.json").read_text())
    assert "absent: the examples cannot be read" in error["message"]["message"]


def test_the_process_ends_with_its_standard_input_and_not_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    before, (reading, writing) = os.dup(0), os.pipe()
    os.dup2(reading, 0)
    others = set(threading.enumerate())
    try:
        sft._end_with_parent()
        (waiting,) = set(threading.enumerate()) - others
        assert waiting.daemon  # else it would keep a training alive that has ended
        waiting.join(0.05)
        assert ended == []
        os.close(writing)
        waiting.join(20)
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(reading)
    assert ended == [1]
