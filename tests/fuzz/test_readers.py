"""Damaged input of every reader ends in an error of ours, never in another, and within its time.

`make fuzz` feeds `JUDGELOOP_FUZZ_CASES` cases in all, `make test-slow` a small share of them.
"""

import copy
import io
import json
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import strategies as st
from kfp_server_api import ApiClient
from rich.console import Console

from judgeloop.engines.chat_answer import (
    FailedAnswerError,
    OddAnswerError,
    RefusedError,
    read_completion,
)
from judgeloop.models.adapter_config import CONFIG, WEIGHTS, read_adapter_config
from judgeloop.models.tensors import tensor_shapes
from judgeloop.runtime.lease import read_holder, this_process
from judgeloop.runtime.ledger import Entry
from judgeloop.runtime.progress import Step, read_steps
from judgeloop.schema.errors import ConfigError
from judgeloop.schema.printable import printable
from judgeloop.schema.records import Manifest, ModelRef, Shard, from_json, to_json
from judgeloop.store import FolderStore, checked_key
from judgeloop.store.folders import stored_checksums
from judgeloop.store.shards import read_manifest
from pipelines.cluster.connection import Connection
from pipelines.cluster.progress import LoopOfRun
from pipelines.cluster.runs import show_runs
from pipelines.cluster.server import Kubeflow, is_active
from tests.fuzz.feed import READERS, feed
from tests.fuzz.kubernetes_answers import TREE, kubernetes
from tests.fuzz.test_texts import TEXT_READERS
from tests.unit.test_adapter_config import GOOD, adapter

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, -1, 2**63, 0, 1e308, "\ud83d", "\x1b[2J", "(.*)*x"]),
    st.floats(),
    st.text(max_size=20),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)
MANIFEST = Manifest(
    stage="train",
    stage_version=1,
    key="k",
    shards=(Shard(key="train/k/0.jsonl", sha256="0" * 64, rows=1),),
    counts={"rows": 1},
    model=ModelRef(base="owner/name"),
)
COMPLETION = {
    "choices": [{"finish_reason": "stop", "message": {"content": "x", "refusal": None}}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1},
    "error": None,
}


RUN = {
    "run_id": "a",
    "display_name": "loop#2",
    "experiment_id": "e",
    "state": "RUNNING",
    "created_at": "2026-01-01T00:00:00Z",
    "runtime_config": {"parameters": {"loop_id": "loop", "config": "/nowhere?config=0&first=1"}},
}


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to everything in a tree of JSON."""
    found = [path] if path else []
    keys = tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    for key in keys:
        found += places(tree[key], (*path, key))
    return found


@st.composite
def damaged(draw: st.DrawFn, tree: Any) -> Any:
    """A tree of JSON with up to three values changed or left out."""
    tree = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from(places(tree)))
        node = tree
        for key in way:
            node = node[key]
        if isinstance(node, dict) and draw(st.booleans()):
            del node[last]
        else:
            node[last] = draw(ODD)
        if not places(tree):
            break
    return tree


@st.composite
def damaged_text(draw: st.DrawFn, tree: Any) -> bytes:
    """A text of JSON with values changed, or with bytes changed, cut or doubled."""
    if draw(st.booleans()):
        return json.dumps(draw(damaged(tree))).encode()
    data = bytearray(json.dumps(tree).encode())
    place = draw(st.integers(0, len(data) - 1))
    kind = draw(st.sampled_from(["change", "cut", "insert", "deep"]))
    if kind == "change":
        data[place] = draw(st.integers(0, 255))
    elif kind == "cut":
        del data[place:]
    elif kind == "insert":
        data[place:place] = draw(st.binary(min_size=1, max_size=8))
    else:
        data[place:place] = b"[" * draw(st.integers(1, 5000))
    return bytes(data)


def tree_of(record: object) -> Any:
    return json.loads(to_json(record))


def manifest(data: bytes, _: Path) -> None:
    made = read_manifest(data, "here")
    assert made.rows >= 0
    assert all(count >= 0 for count in made.counts.values())


def entry(data: bytes, _: Path) -> None:
    from_json(data, Entry, "here")


def lease(data: bytes, folder: Path) -> None:
    store = FolderStore(folder)
    (folder / "lease").write_bytes(data)
    str(read_holder(store, "lease"))


def progress(data: bytes, folder: Path) -> None:
    (folder / "progress").write_bytes(data + b"\n")
    read_steps(folder / "progress", 0)


def checksums(data: bytes, folder: Path) -> None:
    (folder / "checksums.json").write_bytes(data)
    for name in stored_checksums(FolderStore(folder.parent), folder.name):
        checked_key(name)


def adapter_config(data: bytes, folder: Path) -> None:
    if not (folder / WEIGHTS).exists():
        adapter(folder)
    (folder / CONFIG).write_bytes(data)
    read_adapter_config(folder, "it")


def head(data: bytes, folder: Path) -> None:
    (folder / "head").write_bytes(struct.pack("<Q", len(data)) + data + bytes(8))
    tensor_shapes(folder / "head")


def chat_answer(data: bytes, _: Path) -> None:
    def as_object(tree: Any) -> Any:
        if isinstance(tree, list):
            return [as_object(each) for each in tree]
        if isinstance(tree, dict):
            return SimpleNamespace(**{k: as_object(v) for k, v in tree.items()})
        return tree

    try:
        made = as_object(json.loads(data))
    except (ValueError, RecursionError):
        return  # what the library itself refuses
    try:
        completion = read_completion(made, 10)
    except (RefusedError, OddAnswerError, FailedAnswerError):
        return
    assert completion.finish_reason in ("stop", "length")
    assert completion.tokens >= 0


class Answers:
    """The API of Kubeflow's own client, whose answers are given."""

    def __init__(self, data: bytes) -> None:
        self._data = data.decode(errors="replace")

    def run_service_list_runs(self, **_: object) -> Any:
        return ApiClient().deserialize(SimpleNamespace(data=self._data), "V2beta1ListRunsResponse")

    def run_service_get_run(self, *_: object, **__: object) -> Any:
        return self.run_service_list_runs().runs[0]


def kubeflow(data: bytes, _: Path) -> None:
    server = object.__new__(Kubeflow)  # making one asks the server
    server.connection = Connection.from_environment({"KF_PIPELINES_ENDPOINT": "http://127.0.0.1:9"})
    server._runs, server._patience_s = Answers(data), 0.0
    for run in server.runs("loop"):
        is_active(run)
    show_runs(server, Console(file=io.StringIO()))
    with suppress(ConfigError):
        LoopOfRun.of(server.run("a"))


def shown(data: bytes, _: Path) -> None:
    text = printable(data.decode(errors="replace"))
    assert not [c for c in text if (c < " " and c not in "\n\t") or "\x7f" <= c <= "\x9f"]


JSON_READERS: dict[str, tuple[Callable[[bytes, Path], None], Any]] = {
    "manifest": (manifest, tree_of(MANIFEST)),
    "ledger": (entry, tree_of(Entry(stage="train", iteration=1, manifest=MANIFEST))),
    "lease": (lease, tree_of(this_process())),
    "progress": (progress, tree_of(Step(task="t", done=1, total=2, unit="rows"))),
    "checksums": (checksums, {"a/b": {"sha256": "0" * 64, "bytes": 3}}),
    "adapter_config": (adapter_config, msgspec.to_builtins(GOOD)),
    "safetensors": (head, {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}),
    "chat_answer": (chat_answer, COMPLETION),
    "kubeflow": (kubeflow, {"runs": [RUN], "next_page_token": "x"}),
    "kubernetes": (kubernetes, TREE),
    "printable": (shown, {"text": "\x1b[2J\x9b\r\x00"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", JSON_READERS)
def test_damaged_input_ends_in_an_error_of_ours(name: str, tmp_path: Path) -> None:
    read, tree = JSON_READERS[name]
    feed(name, damaged_text(tree), lambda data: read(data, tmp_path))


def test_every_reader_gets_its_share_of_the_cases() -> None:
    assert len(JSON_READERS) + len(TEXT_READERS) == READERS
