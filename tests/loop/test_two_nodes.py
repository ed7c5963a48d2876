"""Two nodes train the adapter that one node trains, and the first alone writes it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from safetensors.numpy import load_file

from judgeloop.models.fetch import base_location
from judgeloop.models.references import BUILTIN, describe_base
from judgeloop.runtime.stage_settings import TrainSettings, select_settings
from judgeloop.runtime.stages.train import _header
from judgeloop.runtime.train_request import TrainRequest
from judgeloop.schema.config import load_config
from judgeloop.schema.errors import ConfigError
from judgeloop.schema.records import Example, Manifest, to_json
from judgeloop.store import FolderStore
from judgeloop.store.shards import Work, finished, write_shards
from judgeloop.training.node import ADDRESS, PORT, RANK, Node, this_node
from judgeloop.trainjob.document import job_document
from judgeloop.trainjob.launch import request_key
from k8s.custom_kinds import violations
from pipelines.job_place import job_place
from pipelines.profile import read_profile
from tests.conftest import REPOSITORY
from tests.server_process import free_port

TOLERANCE = 1e-3
"""Largest difference of a weight: a third of one step at the learning rate of 3e-3 (measured:
4e-4). The nodes' gradients are added in another order, and Adam divides a gradient by its own size,
so a weight whose gradient is all but zero may differ by a part of a step."""
TINY = REPOSITORY / "pipelines/configs/tiny.yaml"
SETTINGS = [
    "training.where=trainjob", "training.epochs=null", "training.max_steps=3",
    "training.batch_size=4", "training.micro_batch_size=1", "training.checkpoint_steps=2",
    "training.schedule=constant", "training.warmup_ratio=0",
]  # fmt: skip


CUT = """
import os, sys
from judgeloop.ops import train_worker
from judgeloop.runtime.checkpoints import Checkpoints
from judgeloop.training import launch

launch.POLL_S = 0.02
store = Checkpoints.store

def store_and_die(self, checkpoint):
    store(self, checkpoint)
    os._exit(143)

Checkpoints.store = store_and_die
sys.exit(train_worker.main())
"""
"""A worker that dies as soon as its first checkpoint is in the store."""


def asked(
    store: FolderStore, nodes: int, base: str = BUILTIN, changes: Sequence[str] = ()
) -> TrainRequest:
    """A training of some examples, in the store."""
    words = ("red", "blue", "green", "circle", "square", "cross")
    rows = [
        Example(id=f"p{number}/chosen_first/0", images=(), prompt=f"judge: {word} {number}",
                completion="A" if number % 2 else "B")
        for number, word in enumerate(words)
    ]  # fmt: skip
    header = Manifest(stage="filter", stage_version=1, key="f" * 24)
    config = load_config(TINY, [*SETTINGS, f"training.nodes={nodes}", *changes])
    request = TrainRequest(
        config=select_settings(config, TrainSettings), loop_id="loop",
        iteration=1, key="", earlier=[], start=describe_base(base, None),
        examples=write_shards(store, header, [rows], lambda batch: Work(batch)),
    )  # fmt: skip
    request = msgspec.structs.replace(request, key=_header(request).key)
    store.write(request_key(request.key), to_json(request))
    return request


WORKER = ("-m", "judgeloop.ops.train_worker")


def worker(
    store: Path, request: TrainRequest, program: Sequence[str] = WORKER, **variables: str
) -> subprocess.Popen[str]:
    """The process of a pod."""
    return subprocess.Popen(
        [sys.executable, *program, str(store), request_key(request.key)],
        env={**os.environ, "OMP_NUM_THREADS": "1", **variables}, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def place(rank: int, port: int) -> dict[str, str]:
    """What Trainer tells the pod of one of two nodes."""
    return {RANK: str(rank), ADDRESS: "127.0.0.1", PORT: str(port)}


def train_on_two(
    folders: tuple[Path, Path], request: TrainRequest, first: Sequence[str] = WORKER
) -> list[tuple[int, str]]:
    """Trains on two nodes; returns exit code and log of each.

    Args:
        folders: The store of each.
        request: What is trained.
        first: The program of the first node.
    """
    port = free_port()
    nodes = [
        worker(folder, request, program, **place(rank, port))
        for rank, (folder, program) in enumerate(zip(folders, (first, WORKER), strict=True))
    ]
    logs = [node.communicate()[0] for node in nodes]
    return [(node.returncode, log) for node, log in zip(nodes, logs, strict=True)]


def base_with_dropout(folder: Path) -> str:
    """The tiny base, whose training draws random numbers at every step."""
    shutil.copytree(base_location(describe_base(BUILTIN, None)), folder)
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["attention_dropout"] = 0.3
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


def weights(store: FolderStore, request: TrainRequest) -> dict[str, Any]:
    made = finished(store, "train", request.key)
    assert made is not None
    assert made.model is not None
    folder = Path(store.uri.removeprefix("file://")) / str(made.model.adapter)
    return dict(load_file(folder / "adapter_model.safetensors"))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_nodes_leave_the_adapter_of_one_and_the_first_alone_writes(tmp_path: Path) -> None:
    one, two, second = (tmp_path / name for name in ("one", "two", "second"))
    single = asked(FolderStore(one), 1)
    both = asked(FolderStore(two), 2)
    shutil.copytree(two, second)  # of the second node, so that what it writes is seen
    before = sorted(path for path in second.rglob("*") if path.is_file())
    said, _ = (alone := worker(one, single)).communicate()
    assert alone.returncode == 0, said
    for code, said in train_on_two((two, second), both):
        assert code == 0, said
    assert sorted(path for path in second.rglob("*") if path.is_file()) == before
    expected, found = weights(FolderStore(one), single), weights(FolderStore(two), both)
    assert set(expected) == set(found)
    moved = max(float(abs(value).max()) for name, value in expected.items() if "lora_B" in name)
    largest = max(float(abs(expected[name] - found[name]).max()) for name in expected)
    print(f"largest difference {largest:.2g}, largest weight that began at zero {moved:.2g}")
    assert moved > 2 * TOLERANCE
    assert largest <= TOLERANCE
    assert not [each for each in two.glob("train/*/checkpoints/**/*") if each.is_file()]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_nodes_that_lost_one_resume_and_end_with_the_adapter_of_an_unbroken_training(
    tmp_path: Path,
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    base = base_with_dropout(tmp_path / "base")
    changes = ["training.max_steps=8", "training.checkpoint_steps=1"]
    request = asked(FolderStore(whole), 2, base, changes)
    assert asked(FolderStore(cut), 2, base, changes) == request
    for code, said in train_on_two((whole, whole), request):
        assert code == 0, said

    (first, _), (second, said) = train_on_two((cut, cut), request, ("-c", CUT))
    assert first == 143
    assert second != 0, said  # it cannot go on alone
    assert finished(FolderStore(cut), "train", request.key) is None
    names = {path.name for path in cut.glob("train/*/checkpoints/*/*")}
    assert {"rng_state_0.pth", "rng_state_1.pth", "optimizer.pt"} - names == set()

    for code, said in train_on_two((cut, cut), request):
        assert code == 0, said
        assert "training resumes from the checkpoint at step" in said
    expected = finished(FolderStore(whole), "train", request.key)
    assert finished(FolderStore(cut), "train", request.key) == expected
    assert (
        expected is not None
    )  # its model has the hash of the adapter's bytes, its result the losses


HERE = {RANK: "1", ADDRESS: "train-node-0-0.train", PORT: "29400"}


def set_variables(patch: pytest.MonkeyPatch, given: dict[str, str]) -> None:
    """Sets what Trainer sets; what is not given is not there."""
    for name in HERE:
        patch.delenv(name, raising=False)
    for name, value in given.items():
        patch.setenv(name, value)


@pytest.mark.parametrize(("rank", "writes"), [("0", True), ("1", False)])
def test_a_node_is_named_by_what_trainer_sets(
    rank: str, writes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_variables(monkeypatch, HERE | {RANK: rank})
    node = this_node(2)
    assert node == Node(rank=int(rank), count=2, endpoint="train-node-0-0.train:29400")
    assert node.writes == writes
    assert this_node(1) == Node()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "PET_NODE_RANK='', PET_MASTER_ADDR='', PET_MASTER_PORT=''"),
        (HERE | {RANK: "2"}, "PET_NODE_RANK='2', PET_MASTER_ADDR='train-node-0-0.train'"),
        (HERE | {RANK: "-1"}, "PET_NODE_RANK='-1'"),
        (HERE | {ADDRESS: ""}, "PET_MASTER_ADDR='', PET_MASTER_PORT='29400'"),
        (HERE | {PORT: "auto"}, "PET_MASTER_PORT='auto'"),
    ],
    ids=["nothing", "rank too high", "no rank", "no address", "no port"],
)
def test_variables_that_name_no_node_are_shown(
    given: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_variables(monkeypatch, given)
    with pytest.raises(ConfigError, match=rf"training\.nodes is 2, and .*{said}.* name no node"):
        this_node(2)


def test_the_job_has_as_many_pods() -> None:
    place = job_place(read_profile("one-gpu"), "registry.example/gpu@sha256:" + "0" * 64)
    job = job_document("train-001", place, 2, ["s3://bucket/x", "train/k/request.json"], {}, None)
    assert (job["spec"]["trainer"]["numNodes"], place.gpus) == (2, 1)
    assert list(violations(job)) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["training.nodes=2"], "need where: trainjob"),
        (["training.nodes=3", "training.where=trainjob"], "micro_batch_size x processes x nodes"),
    ],
)
def test_nodes_need_a_trainjob_and_a_batch_that_they_divide(changes: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_config(TINY, changes)
