"""Real TRL training of a randomly drawn tiny VLM: what moves, what repeats, and how it dies."""

from __future__ import annotations

import hashlib
import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image

from judgeloop.models.adapter_config import CONFIG, WEIGHTS
from judgeloop.models.control_tokens import ControlTokens
from judgeloop.runtime.progress import FILE_VARIABLE, read_steps
from judgeloop.schema.errors import TrainingError
from judgeloop.schema.records import Example, to_json
from judgeloop.schema.training_section import TrainingSection
from judgeloop.tiny import architecture
from judgeloop.training.adapter import fingerprints, load_model
from judgeloop.training.dataset import make_dataset, read_examples
from judgeloop.training.job import TrainingJob
from judgeloop.training.launch import train_adapter

COLOURS = {"red": (200, 40, 40), "blue": (40, 60, 200), "green": (40, 160, 60)}
MakeJob = Callable[..., TrainingJob]


@pytest.fixture(scope="module", autouse=True)
def _one_thread_without_hub() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random tiny base, three images and twelve examples."""
    folder = tmp_path_factory.mktemp("world")
    tokenizer = architecture.make_tokenizer()
    model = architecture.make_model(architecture.make_config(tokenizer), seed=0)
    model.save_pretrained(folder / "base")
    architecture.make_processor(tokenizer).save_pretrained(folder / "base")
    (folder / "images").mkdir()
    hashes = {name: _save_image(folder / "images", colour) for name, colour in COLOURS.items()}
    examples = [_example(name, hashes[name], number) for name in COLOURS for number in range(4)]
    (folder / "examples.jsonl").write_bytes(b"".join(to_json(e) + b"\n" for e in examples))
    return folder


def _save_image(folder: Path, colour: tuple[int, int, int]) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (48, 48), colour).save(buffer, "PNG")
    name = hashlib.sha256(buffer.getvalue()).hexdigest()
    (folder / name).write_bytes(buffer.getvalue())
    return name


def _example(colour: str, image: str, number: int) -> Example:
    letter = "AB"[number % 2]
    return Example(
        id=f"{colour}{number}/chosen_first/0",
        images=(image,) * (1 + number % 2),
        prompt=f"judge: caption A {colour} circle B grey cross north",
        completion=f"I see {colour} circle {letter}",
    )


@pytest.fixture
def make_job(world: Path, tmp_path: Path) -> MakeJob:
    def make(out: str = "out", settings: dict[str, Any] | None = None, **changes: Any) -> Any:
        section = {
            "kind": "lora",
            "rank": 4,
            "alpha": 8,
            "learning_rate": 1e-2,
            "max_steps": 4,
            "batch_size": 6,
            "micro_batch_size": 3,
            "dtype": "float32",
        }
        values = {
            "base": str(world / "base"),
            "base_name": "builtin:tiny-vlm",
            "examples": str(world / "examples.jsonl"),
            "images": str(world / "images"),
            "max_pixels": 10_000,
            "background": "white",
            "settings": msgspec.convert(section | (settings or {}), TrainingSection),
            "seed": 3,
            "out": str(tmp_path / out),
            "task": "0/train",
        }
        job = TrainingJob(**(values | changes))
        job.write()
        return job

    return make


def train_here(job: TrainingJob) -> dict[str, float]:
    """Trains within this process: the same code without seconds of imports."""
    from judgeloop.training.sft import main

    main(job)
    return msgspec.json.decode(job.metrics_file.read_bytes(), type=dict[str, float])


def weights(job: TrainingJob) -> dict[str, Any]:
    from safetensors.torch import load_file

    return dict(load_file(job.adapter_folder / WEIGHTS))


def adapter_bytes(job: TrainingJob) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in job.adapter_folder.iterdir()}


def test_every_language_layer_s_adapter_moves_and_no_other_has_one(make_job: MakeJob) -> None:
    import torch

    job = make_job()
    start = {
        name.replace(".default", ""): value.detach().clone()
        for name, value in load_model(job, torch.float32).named_parameters()
        if "lora_" in name
    }
    train_here(job)
    trained = weights(job)
    assert trained.keys() == start.keys()
    assert len(trained) == 5 * 7 * 2  # layers, modules a layer, A and B
    assert all(".text_model.layers." in name for name in trained)
    assert not [name for name in trained if torch.equal(trained[name], start[name])]


def test_the_base_stays_as_it_was_to_the_bit(make_job: MakeJob) -> None:
    from judgeloop.training.sft import make_trainer

    job = make_job()
    examples = read_examples(Path(job.examples), Path(job.images))
    trainer = make_trainer(job, examples)
    before = {n: p.detach().clone() for n, p in trainer.model.named_parameters()}
    prints = fingerprints(trainer.model)
    trainer.train()
    moved = {n for n, p in trainer.model.named_parameters() if not before[n].equal(p)}
    assert moved == {name for name in before if "lora_" in name}
    # Fingerprints, which stand for the copies in production, must tell the same.
    after = fingerprints(trainer.model)
    assert {name for name in prints if prints[name] != after[name]} == moved


def test_the_same_job_gives_the_same_bytes_and_another_seed_others(make_job: MakeJob) -> None:
    first, second, other = make_job("a"), make_job("b"), make_job("c", seed=4)
    for job in (first, second, other):
        train_here(job)
    assert adapter_bytes(first) == adapter_bytes(second)
    assert adapter_bytes(first).keys() == {WEIGHTS, CONFIG}
    assert adapter_bytes(first)[WEIGHTS] != adapter_bytes(other)[WEIGHTS]


def test_the_adapter_s_bytes_name_no_place_on_this_machine(make_job: MakeJob, world: Path) -> None:
    job = make_job()
    train_here(job)
    config = adapter_bytes(job)[CONFIG]
    assert msgspec.json.decode(config)["base_model_name_or_path"] == "builtin:tiny-vlm"
    assert str(world).encode() not in config


def test_going_on_trains_the_same_adapter(make_job: MakeJob) -> None:
    import torch

    first = make_job("first", settings={"max_steps": 12})
    earlier = train_here(first)
    going_on = make_job(
        "second",
        settings={"learning_rate": 1e-6, "max_steps": 2},
        adapter=str(first.adapter_folder),
    )
    later = train_here(going_on)
    assert later["first_loss"] < (earlier["first_loss"] + earlier["last_loss"]) / 2
    start, end = weights(first), weights(going_on)
    assert start.keys() == end.keys()
    # Two steps of 1e-6 move each weight by about 2e-6 from where the first job left it.
    assert all(torch.allclose(start[n], end[n], rtol=0, atol=1e-5) for n in start)
    assert not any(torch.equal(start[n], end[n]) for n in start)
    assert adapter_bytes(first)[CONFIG] == adapter_bytes(going_on)[CONFIG]


def test_the_loss_falls_on_the_completion_and_its_end_alone(make_job: MakeJob) -> None:
    from judgeloop.training.sft import make_trainer

    job = make_job(settings={"batch_size": 12, "micro_batch_size": 12})
    examples = read_examples(Path(job.examples), Path(job.images))
    trainer = make_trainer(job, examples)
    batch = next(iter(trainer.get_train_dataloader()))
    tokenizer = trainer.processing_class.tokenizer
    learned = [tokenizer.decode(row[row != -100]) for row in batch["labels"]]
    assert sorted(learned) == sorted(f"{e.completion}<|end|>" for e in examples)


def test_a_row_is_what_the_engine_asks_and_what_it_would_read_back(make_job: MakeJob) -> None:
    from judgeloop.training.sft import make_trainer

    job = make_job()
    example = read_examples(Path(job.examples), Path(job.images))[1]  # two images
    trainer = make_trainer(job, [example])
    batch = trainer.data_collator([trainer.train_dataset[0]])
    opened = trainer.train_dataset[0]["images"]
    content = [{"type": "image", "image": image} for image in opened]
    turns = [
        {"role": "user", "content": [*content, {"type": "text", "text": example.prompt}]},
        {"role": "assistant", "content": [{"type": "text", "text": example.completion}]},
    ]
    processor = trainer.processing_class
    kinds = {"tokenize": True, "return_dict": True, "return_tensors": "pt"}
    asked = processor.apply_chat_template(turns[:1], add_generation_prompt=True, **kinds)
    whole = processor.apply_chat_template(turns, **kinds)
    assert batch["input_ids"].tolist() == whole["input_ids"].tolist()
    prompt = batch["input_ids"][0][batch["labels"][0] == -100]
    assert prompt.tolist() == asked["input_ids"][0].tolist()
    assert batch["pixel_values"].equal(asked["pixel_values"])


def test_no_row_is_cut_however_long_it_is(make_job: MakeJob) -> None:
    from judgeloop.training.sft import make_trainer

    job = make_job()
    first = read_examples(Path(job.examples), Path(job.images))[0]
    long = msgspec.structs.replace(first, prompt="red circle " * 700)
    trainer = make_trainer(job, [long])
    batch = trainer.data_collator([trainer.train_dataset[0]])
    assert batch["input_ids"].shape[1] > 1400
    assert (batch["labels"] != -100).sum() > 3


def test_a_conversation_is_one_row_for_mllama(make_job: MakeJob) -> None:
    job = make_job()
    example = read_examples(Path(job.examples), Path(job.images))[0]
    row = make_dataset([example], job.open_image, "mllama", ControlTokens())[0]
    assert [turn["role"] for turn in row["messages"]] == ["user", "assistant"]
    assert [part["type"] for part in row["messages"][0]["content"]] == ["image", "text"]
    assert row.keys() == {"images", "messages"}


@pytest.mark.parametrize("model_type", ["mllama", "idefics3"])
def test_no_text_of_an_example_becomes_a_control_token(make_job: MakeJob, model_type: str) -> None:
    job = make_job()
    example = read_examples(Path(job.examples), Path(job.images))[0]
    hostile = msgspec.structs.replace(example, prompt="<image> x <|im_end|>", completion="</s> A")
    row = make_dataset([hostile], job.open_image, model_type, ControlTokens())[0]
    turns = row.get("messages") or row["prompt"] + row["completion"]
    assert [turn["content"][-1]["text"] for turn in turns] == ["< image> x < |im_end|>", "< /s> A"]


def test_a_broken_image_names_its_example(make_job: MakeJob, tmp_path: Path) -> None:
    job = make_job(images=str(tmp_path))
    example = read_examples(Path(job.examples), Path(make_job().images))[0]
    (tmp_path / example.images[0]).write_bytes(b"\x89PNG broken")
    with pytest.raises(TrainingError, match=f"example {example.id}: image .*not an image"):
        make_dataset([example], job.open_image, "idefics3", ControlTokens())[0]


def test_an_epoch_is_every_example_once(make_job: MakeJob) -> None:
    job = make_job(settings={"max_steps": None, "epochs": 2, "batch_size": 9, "warmup_ratio": 0})
    metrics = train_here(job)
    assert metrics["steps"] == 4  # two epochs of 9 and 3 rows
    assert metrics["examples"] == 12


def test_a_training_of_two_steps_passes_its_own_checks(make_job: MakeJob) -> None:
    # The first step warms up from zero and the second moves B alone: that is no fault.
    assert train_here(make_job(settings={"max_steps": 2}))["steps"] == 2


def test_a_new_process_trains_to_the_same_bytes_and_shows_its_progress(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "progress"))
    there = make_job("there")
    metrics = train_adapter(there)
    monkeypatch.delenv(FILE_VARIABLE)
    here = make_job("here")
    expected = train_here(here)
    assert adapter_bytes(there) == adapter_bytes(here)
    assert {**metrics, "seconds": 0} == {**expected, "seconds": 0}
    steps, _ = read_steps(tmp_path / "progress", 0)
    assert [(s.task, s.done, s.total, s.unit) for s in steps] == [
        ("0/train", done, 4, "steps") for done in range(5)
    ]
    assert re.fullmatch(r"loss \d\.\d\d", steps[-1].note)


def test_a_training_that_dies_shows_what_it_raised_and_the_end_of_its_log(
    make_job: MakeJob, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(TrainingError, match=r"^training failed: ValueError: Unrecog") as caught:
        train_adapter(make_job(base=str(tmp_path / "empty")))
    lines = str(caught.value).splitlines()
    assert "Unrecognized model" in str(caught.value)
    assert "CalledProcessError" not in str(caught.value)
    assert len(lines) <= 16


def _wait_for_pid(log: Path) -> int:
    """Waits until a training process has begun its steps; returns its id."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        text = log.read_text() if log.is_file() else ""
        found = re.search(r"pid=(\d+)", text)
        if found and "step=1/" in text:
            return int(found.group(1))
        time.sleep(0.1)
    raise AssertionError(f"no step within 90 s: {text}")


@pytest.mark.slow
def test_a_killed_training_is_explained(make_job: MakeJob) -> None:
    job = make_job(settings={"max_steps": 100_000})

    def kill() -> None:
        os.kill(_wait_for_pid(job.log_file), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(TrainingError, match=r"killed \(SIGKILL\), most likely .* out of memory"):
        train_adapter(job)
    killer.join()
    assert not job.adapter_folder.exists()


STAGE = (
    "import sys; from pathlib import Path; from judgeloop.training.job import read_job;"
    "from judgeloop.training.launch import train_adapter;"
    "train_adapter(read_job(Path(sys.argv[1])))"
)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_the_training_ends_with_the_stage_that_started_it(
    make_job: MakeJob, number: signal.Signals
) -> None:
    job = make_job(settings={"max_steps": 100_000})
    stage = subprocess.Popen(
        [sys.executable, "-c", STAGE, str(job.file)],
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
    )
    training = _wait_for_pid(job.log_file)
    stage.send_signal(number)
    stage.wait()
    deadline = time.monotonic() + 30
    while Path(f"/proc/{training}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{training}").exists()
