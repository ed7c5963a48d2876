"""Several workers judge one evaluation: their shares are the shards of a single worker's."""

from pathlib import Path

import pytest

from judgeloop.runtime.inference import Share
from judgeloop.runtime.stages.evaluate import evaluate, judge_share
from judgeloop.runtime.stages.gold import load_gold
from judgeloop.runtime.stages.inference import open_library
from judgeloop.schema.records import Manifest
from judgeloop.store import FolderStore
from judgeloop.store.shards import finished
from tests.unit.test_benchmark_stage import MODEL, configured, write_vl

SETS = ("gold", "vl-rewardbench")


@pytest.fixture
def config(tmp_path: Path):
    folder = write_vl(tmp_path / "vl")
    return configured(
        "[vl-rewardbench]", {"vl-rewardbench": folder}, "evaluation.count=16", "data.shard_size=4"
    )


def judged(store: FolderStore) -> list[str]:
    return [key for key in store.list("evaluate") if key.endswith("jsonl")]


@pytest.mark.parametrize("parts", [2, 3, 7])
def test_shares_are_judged_once_each_and_make_one_workers_result(
    parts: int, config, tmp_path: Path
) -> None:
    alone, shared = FolderStore(tmp_path / "alone"), FolderStore(tmp_path / "shared")
    counted = 0
    for part in reversed(range(parts)):
        before = len(judged(shared))
        made = judge_share(config, shared, 0, MODEL, Share(part, parts))
        assert len(made) == len(SETS)
        assert len(judged(shared)) - before == sum(len(one.shards) for one in made)
        counted += made[0].counts.get("inputs", 0)
        assert all(finished(shared, "evaluate", one.key) is None for one in made)
    assert counted == 16
    whole = evaluate(config, shared, 0, MODEL)
    assert whole == evaluate(config, alone, 0, MODEL)
    assert {key: shared.read(key) for key in judged(shared)} == {
        key: alone.read(key) for key in judged(alone)
    }


def test_a_finished_evaluation_is_found_by_every_share(config, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    whole = evaluate(config, store, 0, MODEL)
    before = store.list("")
    made: Manifest = judge_share(config, store, 0, MODEL, Share(1, 2))[0]
    assert made.key in whole.inputs
    assert store.list("") == before


def test_what_one_share_has_judged_is_not_asked_again(
    config, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = FolderStore(tmp_path / "store")
    load_gold(config, store, open_library(config.data, store))
    judge_share(config, store, 0, MODEL, Share(0, 2))
    caplog.set_level("INFO")
    judge_share(config, store, 0, MODEL, Share(0, 2))
    assert "shard started" not in caplog.text
    evaluate(config, store, 0, MODEL)
    assert caplog.text.count("shard started") == len(judged(store)) // 2
