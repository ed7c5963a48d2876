"""What a training job says, which examples it takes, and how its death is explained: no torch."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from judgeloop.schema.errors import DataError, TrainingError
from judgeloop.schema.records import Example, to_json
from judgeloop.schema.training_section import TrainingSection
from judgeloop.training.adapter import check_movement
from judgeloop.training.dataset import read_examples, wants_messages
from judgeloop.training.failure import explain, read_error
from judgeloop.training.job import TrainingJob, read_job
from judgeloop.training.launch import environment, train_adapter
from judgeloop.training.sft import check_loss


def make_job(folder: Path, **changes: Any) -> TrainingJob:
    values: dict[str, Any] = {
        "base": str(folder / "base"),
        "base_name": "builtin:tiny-vlm",
        "examples": str(folder / "examples.jsonl"),
        "images": str(folder / "images"),
        "max_pixels": 10_000,
        "background": "white",
        "settings": TrainingSection(kind="lora", max_steps=3),
        "seed": 7,
        "out": str(folder / "out"),
        "task": "0/train",
    }
    return TrainingJob(**(values | changes))


def write_examples(folder: Path, *examples: Example) -> Path:
    path = folder / "examples.jsonl"
    path.write_bytes(b"".join(to_json(example) + b"\n" for example in examples))
    (folder / "images").mkdir(exist_ok=True)
    return path


def make_example(name: str, *images: str) -> Example:
    return Example(id=name, images=images, prompt="judge:", completion="I see A")


def test_a_job_is_read_as_it_was_written(tmp_path: Path) -> None:
    job = make_job(tmp_path, adapter="/before", revision="main", out=str(tmp_path / "new/out"))
    job.write()
    job.write()
    assert read_job(job.file) == job
    assert job.file.read_bytes().endswith(b"}\n")


@pytest.mark.parametrize("text", ["{", "{}", '{"base": 1}', '{"surprise": 1}'])
def test_a_file_that_is_no_job_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "job.json"
    path.write_text(text)
    with pytest.raises(TrainingError, match=r"job\.json: not a training job"):
        read_job(path)


def test_an_image_is_opened_as_the_engines_see_it(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Image.new("RGBA", (40, 10), (0, 0, 0, 128)).save(tmp_path / "images/clear", "PNG")
    image = make_job(tmp_path, max_pixels=100, background="white").open_image("clear")
    assert (image.size, image.getpixel((0, 0))) == ((20, 5), (127, 127, 127))
    assert make_job(tmp_path, background="black").open_image("clear").getpixel((0, 0)) == (0, 0, 0)


def test_examples_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = write_examples(tmp_path, make_example("b", "i1"), make_example("a", "i1", "i2"))
    for name in ("i1", "i2"):
        (tmp_path / "images" / name).touch()
    assert [e.id for e in read_examples(path, tmp_path / "images")] == ["b", "a"]


def test_a_missing_image_names_the_example_before_anything_is_started(tmp_path: Path) -> None:
    write_examples(tmp_path, make_example("p1/chosen_first/0", "absent"))
    with pytest.raises(TrainingError, match="example p1/chosen_first/0: image absent is not in"):
        train_adapter(make_job(tmp_path))
    assert not (tmp_path / "out").exists()


def test_examples_without_images_need_no_folder_of_images(tmp_path: Path) -> None:
    path = write_examples(tmp_path, make_example("e1"))
    assert [e.id for e in read_examples(path, tmp_path / "absent")] == ["e1"]


def test_an_example_that_comes_twice_is_named(tmp_path: Path) -> None:
    path = write_examples(tmp_path, make_example("e1"), make_example("e2"), make_example("e1"))
    with pytest.raises(TrainingError, match="example e1 comes twice"):
        read_examples(path, tmp_path / "images")


def test_no_example_is_an_error(tmp_path: Path) -> None:
    path = write_examples(tmp_path)
    with pytest.raises(TrainingError, match="no example to train on"):
        read_examples(path, tmp_path / "images")


def test_a_broken_line_is_named_by_its_number(tmp_path: Path) -> None:
    path = write_examples(tmp_path, make_example("e1"))
    path.write_bytes(path.read_bytes() + b'{"id": "half\n')
    with pytest.raises(DataError, match=r"examples\.jsonl:2: not a Example"):
        read_examples(path, tmp_path / "images")


def test_only_mllama_is_trained_on_whole_conversations() -> None:
    assert wants_messages("mllama")
    assert not wants_messages("idefics3")
    assert not wants_messages("qwen2_5_vl")


LAUNCHER = (
    "Traceback (most recent call last):\n"
    '  File "launch.py", line 999, in simple_launcher\n'
    "subprocess.CalledProcessError: Command 'python' {}"
)


@pytest.mark.parametrize(
    ("code", "log", "words"),
    [
        (
            -9,
            "step=1",
            r"killed \(SIGKILL\), most likely because the machine or the pod ran "
            r"out of memory; lower training\.micro_batch_size or give the task more memory\. The",
        ),
        (137, "step=1", r"killed \(SIGKILL\).*out of memory"),
        (1, LAUNCHER.format("died with <Signals.SIGKILL: 9>."), r"killed \(SIGKILL\)"),
        (1, "exitcode : -9\ntraceback : Signal 9 (SIGKILL) received by PID 3", r"\(SIGKILL\)"),
        (-15, "step=1", "ended by SIGTERM"),
        (143, "step=1", "ended by SIGTERM"),
        (1, "died with Signals.SIGABRT\nand more", r"ended by SIGABRT\. The log"),
        (1, "Signal 9 (SIGKILL)\nSignal 15 (SIGTERM) received", "ended by SIGTERM"),
        (1, "Signal 15 (SIGTERM)" + 199 * "\nline", "ended by SIGTERM"),
        (1, "Signal 15 (SIGTERM)" + 200 * "\nline", "ended with exit code 1"),
        (1, LAUNCHER.format("died with <Signals.SIGSEGV: 11>."), "ended by SIGSEGV"),
        (3, "ValueError: no", "ended with exit code 3"),
        (0, "step=1", r"ended without writing its metrics\. The log"),
    ],
)
def test_a_death_is_explained_in_plain_words(code: int, log: str, words: str) -> None:
    first_line = explain(code, log).splitlines()[0]
    assert re.search(f"^training failed: the process .*{words}", first_line)


@pytest.mark.parametrize(
    ("error", "log", "words"),
    [
        (
            "OutOfMemoryError: CUDA out of memory. Tried",
            "",
            r"the GPU ran out of memory; lower training\.micro_batch_size, or take a larger GPU or "
            r"a smaller base\. The log",
        ),
        ("TrainingError: step 1: the loss is nan; lower it", "", "step 1: the loss is nan; lower"),
        ("ValueError: no such layer.", "step=1", r"ValueError: no such layer\. The log"),
        (
            "DistBackendError: peer gone",
            "Signal 9 (SIGKILL) received by PID 3",
            "the process .*SIGKILL.*memory",
        ),
        ("ValueError: no", "Signal 15 (SIGTERM) received by PID 3", "ValueError: no"),
        ("ValueError: no X.", "", r"ValueError: no X\. The log"),
        ("x" * 1999 + "yz", "", r"x{1999}y\. The log"),
    ],
)
def test_what_the_training_raised_is_its_cause(error: str, log: str, words: str) -> None:
    assert re.search(f"^training failed: {words}", explain(1, log, error).splitlines()[0])


@pytest.mark.parametrize(
    "said",
    [
        [("B: first", "9"), ("A: later", "10")],
        [("A: later", "10"), ("B: first", "9")],
        [("B: first", "9"), ("A: within the same second", "9")],
    ],
    ids=["in order", "not in order", "at once"],
)
def test_of_several_processes_the_first_to_fail_is_quoted(
    tmp_path: Path, said: list[tuple[str, str]]
) -> None:
    assert read_error(tmp_path) == ""
    for number, (message, timestamp) in enumerate(said):
        folder = tmp_path / f"run/attempt_0/{number}"
        folder.mkdir(parents=True)
        content = {"message": {"message": message, "extraInfo": {"timestamp": timestamp}}}
        (folder / "error.json").write_text(json.dumps(content))
        (folder / "stderr.json").write_text(json.dumps(content))
    (tmp_path / "error.json").write_text('{"message": {"mess')  # cut off by a kill
    assert read_error(tmp_path) == "B: first"


def test_the_log_s_end_is_the_training_s_own_and_fifteen_lines_long() -> None:
    lines = [f"line {i}" for i in range(40)]
    log = "\n".join([*lines, LAUNCHER.format("returned non-zero exit status 1.")])
    assert explain(1, log).splitlines()[1:] == lines[-15:]


def test_a_traceback_of_the_training_itself_is_kept() -> None:
    assert explain(1, "Traceback (most recent call last):\nKeyError: 'x'").endswith("KeyError: 'x'")


def test_a_finite_loss_above_zero_is_accepted() -> None:
    check_loss(0.01, step=1)


@pytest.mark.parametrize("loss", [0.0, float("nan"), float("inf")])
def test_a_loss_that_cannot_be_right_stops_the_training(loss: float) -> None:
    with pytest.raises(TrainingError, match="step 4: the loss is"):
        check_loss(loss, step=4)


BEFORE = {"base.w": 1, "q.lora_A.w": 2, "q.lora_B.w": 3}


def test_an_adapter_that_moved_whole_on_a_still_base_passes() -> None:
    check_movement(BEFORE, {"base.w": 1, "q.lora_A.w": 5, "q.lora_B.w": 6}, updates=9, new=True)


@pytest.mark.parametrize("still", ["q.lora_A.w", "q.lora_B.w"])
def test_an_adapter_parameter_that_stood_still_is_named(still: str) -> None:
    after = {"base.w": 1, "q.lora_A.w": 5, "q.lora_B.w": 6} | {still: BEFORE[still]}
    with pytest.raises(TrainingError, match=f"did not change {still}"):
        check_movement(BEFORE, after, updates=2, new=True)


def test_a_base_parameter_that_moved_is_named() -> None:
    after = {"base.w": 8, "q.lora_A.w": 5, "q.lora_B.w": 6}
    with pytest.raises(TrainingError, match=r"changed base\.w"):
        check_movement(BEFORE, after, updates=9, new=True)


def test_one_update_moves_only_b_of_a_new_adapter_but_all_of_a_trained_one() -> None:
    after = BEFORE | {"q.lora_B.w": 6}
    check_movement(BEFORE, after, updates=1, new=True)
    with pytest.raises(TrainingError, match=r"did not change q\.lora_A\.w"):
        check_movement(BEFORE, after, updates=1, new=False)


def test_a_training_without_a_single_update_is_refused() -> None:
    with pytest.raises(TrainingError, match="no step had a learning rate above zero"):
        check_movement(BEFORE, BEFORE, updates=0, new=True)


@pytest.mark.parametrize(
    ("given", "seen"), [(None, "0"), ("2,3", "2"), ("", ""), ("GPU-1f,GPU-2e", "GPU-1f")]
)
def test_one_process_sees_one_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None, seen: str
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if given is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert environment(make_job(tmp_path))["CUDA_VISIBLE_DEVICES"] == seen


def test_a_base_in_a_folder_needs_no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    assert "HF_HUB_OFFLINE" not in environment(make_job(tmp_path, base="owner/model"))
    assert environment(make_job(tmp_path, base=str(tmp_path)))["HF_HUB_OFFLINE"] == "1"


def test_the_stage_that_asks_for_training_loads_no_torch() -> None:
    code = "import sys, judgeloop.training.launch; sys.exit('torch' in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
