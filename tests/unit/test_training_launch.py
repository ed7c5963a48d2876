"""How the training process is started, watched and ended: programs that stand for it, no torch."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from judgeloop.runtime.progress import FILE_VARIABLE, Step, read_steps
from judgeloop.schema.errors import TrainingError
from judgeloop.schema.records import to_json
from judgeloop.schema.training_section import TrainingSection
from judgeloop.training import launch
from judgeloop.training.launch import environment, train_adapter
from judgeloop.training.node import ALONE, Node
from tests.unit.test_training_job import make_example, make_job, write_examples

Train = Callable[..., dict[str, float]]
DONE = 'echo \'{"steps": 3, "seconds": 1.5}\' > out/metrics.json'
"""What a finished training leaves."""
WAIT = "wait_long() { for step in $(seq 3000); do sleep 0.01; done; }"
"""A shell's `sleep` that a signal's trap need not await."""
SECOND = Node(rank=1, count=2, endpoint="train-node-0-0.train:29400")


class Stopped(Exception):
    """As an interrupt of the stage."""


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Trains by a shell script in place of Python; it runs in the folder that has `out/`."""

    def run(script: str, store: Any = lambda folder: None, node: Node = ALONE, **job: Any) -> Any:
        program = tmp_path / "program"
        program.write_text(f"#!/bin/sh\ncd {tmp_path}\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))
        write_examples(tmp_path, make_example("e1"))
        return train_adapter(make_job(tmp_path, **job), store, node)

    monkeypatch.setattr(launch, "POLL_S", 0.01)
    return run


def log(folder: Path) -> list[str]:
    return (folder / "out/train.log").read_text().splitlines()


def settings(**changes: Any) -> TrainingSection:
    return TrainingSection(kind="lora", max_steps=3, where="trainjob", **changes)


ONE = "-m accelerate.commands.launch --num_processes 1 --num_machines 1 --mixed_precision no "
ONE += "--dynamo_backend no -m judgeloop.training.sft --job out/job.json"
TWO = "-m accelerate.commands.launch --num_processes 2 --num_machines 1 --mixed_precision no "
TWO += "--dynamo_backend no --multi_gpu --main_process_port 0 --log_dir out/errors "
TWO += "-m judgeloop.training.sft --job out/job.json"
OF_NODES = "-m torch.distributed.run --nnodes 2 --nproc-per-node 4 --node-rank 1 "
OF_NODES += "--rdzv-backend static --rdzv-endpoint train-node-0-0.train:29400 "
OF_NODES += "--master-addr train-node-0-0.train --master-port 29400 --rdzv-id judgeloop "
OF_NODES += "--max-restarts 0 --log-dir out/errors -m judgeloop.training.sft --job out/job.json"


@pytest.mark.parametrize(
    ("node", "changes", "expected"),
    [
        (ALONE, {}, ONE),
        (ALONE, {"processes": 2}, TWO),
        (SECOND, {"nodes": 2, "processes": 4}, OF_NODES),
        (
            Node(rank=1, count=2, endpoint="[fd00::5]:29400"),
            {"nodes": 2, "processes": 4},
            OF_NODES.replace("train-node-0-0.train", "[fd00::5]"),
        ),
    ],
    ids=["one", "two processes", "a node", "a node by IPv6"],
)
def test_processes_are_started_by_accelerate_and_nodes_by_torchrun(
    train: Train, tmp_path: Path, node: Node, changes: dict[str, int], expected: str
) -> None:
    script = f'for word in "$@"; do echo "$word"; done; {DONE}'
    train(script, node=node, settings=settings(**changes))
    assert " ".join(log(tmp_path)).replace(f"{tmp_path}/", "") == expected


def test_a_training_gives_its_metrics_and_everything_that_it_prints_is_in_its_log(
    train: Train, tmp_path: Path
) -> None:
    made = train(f"echo printed; echo complained >&2; {DONE}")
    assert str(made) == "{'steps': 3.0, 'seconds': 1.5}"
    assert log(tmp_path) == ["printed", "complained"]


def test_a_training_has_a_session_and_a_standard_input_of_its_own(
    train: Train, tmp_path: Path
) -> None:
    train(f"echo $$; cut -d' ' -f5,6 /proc/$$/stat; readlink /proc/$$/fd/0; {DONE}")
    process, group_and_session, standard_input = log(tmp_path)
    assert group_and_session.split() == [process, process]
    assert standard_input.startswith("pipe:")


def test_a_training_gets_its_job_and_its_variables(train: Train, tmp_path: Path) -> None:
    train(f"cp out/job.json seen; echo ${FILE_VARIABLE} $TORCHELASTIC_ERROR_FILE; {DONE}")
    assert (tmp_path / "seen").read_text() == (tmp_path / "out/job.json").read_text()
    assert log(tmp_path) == [f"{tmp_path}/out/progress.jsonl {tmp_path}/out/errors/error.json"]


def test_nothing_of_an_earlier_training_is_taken_for_this_one_s(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = '{"message": {"message": "ValueError: of yesterday"}}'
    step = to_json(Step(task="0/train", done=9, total=9, unit="steps")).decode()
    train(f"echo '{old}' > out/errors/error.json; echo '{step}' > out/progress.jsonl; {DONE}")
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "progress"))
    with pytest.raises(TrainingError, match="ended without writing its metrics"):
        train("ls out/errors")
    assert read_steps(tmp_path / "progress", 0)[0] == []


def test_what_a_failed_training_raised_and_the_end_of_its_log_are_told(train: Train) -> None:
    error = '{"message": {"message": "ValueError: no such layer"}}'
    with pytest.raises(TrainingError, match=r"failed: ValueError: no such layer\. .*\ncaf\ufffd$"):
        train(f"echo '{error}' > out/errors/error.json; printf 'caf\\377\\n'; {DONE}; exit 3")


def test_a_node_that_writes_nothing_has_no_metrics_but_can_fail(train: Train) -> None:
    assert train("exit 0", node=SECOND) == {}
    with pytest.raises(TrainingError, match="ended with exit code 3"):
        train("exit 3", node=SECOND)


def test_steps_are_told_and_checkpoints_stored_while_the_training_goes_on(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "told"))
    stored: list[tuple[str, list[int]]] = []

    def store(folder: Path) -> None:
        stored.append((folder.name, told()))

    def told() -> list[int]:
        return [step.done for step in read_steps(tmp_path / "told", 0)[0]]

    first, last = (to_json(Step(task="t", done=n, total=2, unit="steps")).decode() for n in (1, 2))
    script = f"""
        echo '{first}' >> out/progress.jsonl
        mkdir out/new out/new/000001; mv out/new out/checkpoints
        for step in $(seq 2000); do [ -d out/checkpoints/000001 ] && sleep 0.01; done
        echo '{last}' >> out/progress.jsonl; {DONE}
    """
    train(script, store)
    assert stored == [("000001", [1])]
    assert told() == [1, 2]


@pytest.mark.parametrize(
    ("script", "grace_s", "said"),
    [
        (
            "trap 'echo asked > said; exit' TERM; begin; wait_long",
            10,
            "asked",
        ),
        ("trap '' TERM; begin; wait_long", 0.1, ""),
        ("trap '' TERM; begin; cat; echo alone > said", 10, "alone"),
    ],
    ids=["asked to end", "killed", "left alone"],
)
def test_a_training_ends_with_the_stage_that_is_interrupted(
    train: Train,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    grace_s: float,
    said: str,
) -> None:
    def store(folder: Path) -> None:
        raise Stopped

    monkeypatch.setattr(launch, "GRACE_S", grace_s)
    beside = "sleep 60 & echo $! > beside; mkdir -p out/new/000001; mv out/new out/checkpoints"
    (tmp_path / "said").touch()
    began = time.monotonic()
    with pytest.raises(Stopped):
        train(f"begin() {{ {beside}; }}\n{WAIT}\n{script}", store)
    assert time.monotonic() - began < 20  # what is not killed takes longer
    assert (tmp_path / "said").read_text().strip() == said
    assert _is_gone(tmp_path / "beside")


def test_no_child_outlives_a_training_that_ended(train: Train, tmp_path: Path) -> None:
    train(f"sleep 60 & echo $! > beside; {DONE}")
    assert _is_gone(tmp_path / "beside")


def _is_gone(pid_file: Path) -> bool:
    """Whether a process has ended within seconds; who adopted it may not have noticed yet."""
    status = Path("/proc", pid_file.read_text().strip(), "stat")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if status.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("given", [None, "", "/else"])
def test_a_training_imports_this_judgeloop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    if given is not None:
        monkeypatch.setenv("PYTHONPATH", given)
    paths = environment(make_job(tmp_path))["PYTHONPATH"].split(os.pathsep)
    assert paths == [str(Path(launch.__file__).parents[2]), *(["/else"] if given else [])]


def test_several_processes_see_all_gpus_and_what_else_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")
    made = environment(make_job(tmp_path, settings=settings(processes=2)))
    assert made["CUDA_VISIBLE_DEVICES"] == "2,3"
    assert made["PATH"] == os.environ["PATH"]
    assert made["TOKENIZERS_PARALLELISM"] == "false"
