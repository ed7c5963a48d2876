"""What an iteration asks of a store: so many requests, and so many more a shard, but no more."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from judgeloop.runtime import tasks
from judgeloop.runtime.ending import read_ending
from judgeloop.runtime.ledger import Ledger
from judgeloop.schema.config import load_config
from judgeloop.schema.records import Manifest, Pair
from judgeloop.store import FolderStore, Store
from judgeloop.store.nearby import nearby
from judgeloop.store.shards import read_records
from tests.conftest import REPOSITORY

MICRO = REPOSITORY / "pipelines" / "configs" / "micro.yaml"
SHARD_ROWS = 10
FIXED = 105
"""Calls of an iteration without `register`, whatever its size is."""
EACH_SHARD = 9
"""Calls more for each further shard of pairs."""


class Counted:
    """A store that is no folder to those who ask, and counts what it is asked."""

    def __init__(self, root: str, counts: Counter[str]) -> None:
        self._store = FolderStore(Path(root))
        self._counts = counts
        self.uri = self._store.uri

    def __getattr__(self, name: str) -> Any:
        if not callable(getattr(self._store, name)):
            return getattr(self._store, name)

        def call(key: Any, *values: Any) -> Any:
            place = str(values[0] if name in ("upload", "download") and values else key)
            self._counts[f"{name} {place.split('/')[0]}"] += 1
            return getattr(self._store, name)(key, *values)

        return call


def calls_of_iteration(folder: Path, questions: int, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a loop's first iteration but for `register`.

    Returns:
        The calls by name and first folder of the key, and the number of shards of pairs.
    """
    counts: Counter[str] = Counter()
    monkeypatch.setattr(tasks, "open_store", lambda uri: Counted(uri, counts))
    settings = [f"store={folder}/store", f"data.count={questions}", f"data.shard_size={SHARD_ROWS}"]
    settings.append("evaluation.count=20")
    config = load_config(MICRO, settings)
    text = config.to_json()
    Ledger(FolderStore(folder / "store"), "loop").begin(config)

    def run(stage: str, iteration: int | None = None, **inputs: Any) -> str:
        out = str(folder / f"{stage}-{iteration}.json")
        tasks.run(stage, text, "loop", out, iteration, **inputs)
        return out

    start = str(folder / "start.json")
    tasks.resolve(text, "loop", start, str(folder / "current.json"))
    asked = run("ingest")
    held_out = run("hold_out", questions=asked, model=start)
    run("validate", 0, pairs=held_out, model=start)
    run("evaluate", 0, model=start)
    counts.clear()
    pairs = run("synthesize", 1, partition=0, questions=asked, model=start)
    judged = run("judge", 1, partition=0, pairs=pairs, model=start)
    examples = run("filter", 1, pairs=[pairs], judgements=[judged])
    tasks.enough(text, "loop", 1, examples)
    trained = run("train", 1, examples=examples, model=start)
    validation = run("validate", 1, pairs=held_out, model=trained)
    run("evaluate", 1, model=trained)
    tasks.decide(text, "loop", 1, validation)
    store: Store = Counted(str(folder / "store"), counts)  # type: ignore[assignment]
    read_ending(Ledger(store, "loop"))
    made = msgspec.json.decode(Path(pairs).read_bytes(), type=Manifest)
    return counts, len(made.shards)


def test_an_iteration_asks_for_each_shard_a_few_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, shards = calls_of_iteration(tmp_path / "few", 40, monkeypatch)
    many, more_shards = calls_of_iteration(tmp_path / "many", 120, monkeypatch)
    each = (many.total() - few.total()) / (more_shards - shards)
    assert each <= EACH_SHARD, many - few
    assert few.total() - each * shards <= FIXED, (few.total() - each * shards, few)
    assert many["exists synthesize"] == many["exists judge"] == 0, "a listing tells"
    # Read by judge and by filter, and nobody else; the contact sheet is drawn as they are written.
    assert many["read synthesize"] <= 2 * more_shards + 2


def test_what_is_near_is_fetched_once_and_stays_the_same(tmp_path: Path) -> None:
    counts: Counter[str] = Counter()
    store: Store = Counted(str(tmp_path), counts)  # type: ignore[assignment]
    store.write("a/b", b"first")
    with nearby(store) as near:
        assert [near.read("a/b") for _ in range(3)] == [b"first"] * 3
    assert counts["read a"] == 1
    with nearby(store) as near:
        assert near.read("a/b") == b"first"
    assert counts["read a"] == 2, "a copy does not outlive its block"
    assert list(read_records(near, Manifest(stage="x", stage_version=1, key="k"), Pair)) == []


def test_a_disk_without_room_costs_the_copies_and_not_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    counts: Counter[str] = Counter()
    store: Store = Counted(str(tmp_path), counts)  # type: ignore[assignment]
    store.write("a/b", b"first")
    monkeypatch.setattr(Path, "write_bytes", full)
    with nearby(store) as near:
        assert [near.read("a/b") for _ in range(2)] == [b"first"] * 2
    assert counts["read a"] == 2
    assert "no copy on disk" in caplog.text
