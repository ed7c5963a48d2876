"""Pairs of an iteration: its slice of the pool in full shards, and held-out pairs or an error."""

from pathlib import Path

import msgspec
import pytest

from judgeloop.runtime.stages import synthesize as stage
from judgeloop.runtime.stages.ingest import HELD_OUT
from judgeloop.schema.config import Config, load_config
from judgeloop.schema.errors import DataError
from judgeloop.schema.records import Kind, Manifest, ModelRef, Question
from judgeloop.store import FolderStore, Store
from judgeloop.store.images import ImageLibrary
from judgeloop.store.shards import ShardWriter
from tests.conftest import REPOSITORY
from tests.unit.test_images import picture

MICRO = REPOSITORY / "pipelines" / "configs" / "micro.yaml"
CLEAR = ModelRef(base="scripted:answer_skill=1")
"""Gives every closed question the same answer, so that no vote has a loser."""
UNCLEAR = ModelRef(base="scripted:answer_skill=0.6")


def pool(store: Store, split: str, count: int, size: int) -> Manifest:
    """Number questions of one split, as ingest would leave them."""
    images = (ImageLibrary(store, 100).add(picture(1)),)
    writer = ShardWriter(store, f"ingest/k/{split}", split, size)
    for n in range(count):
        writer.add(Question(id=f"q{n}", images=images, text=f"count {n}", kind=Kind.NUMBER))
    return Manifest(stage="ingest", stage_version=1, key="k", shards=tuple(writer.close()))


def configured(*changes: str) -> Config:
    return load_config(MICRO, ["data.shard_size=10", *changes])


def test_a_slice_of_the_pool_fills_its_shards_and_slices_are_disjoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    store = FolderStore(tmp_path)
    questions = pool(store, "p000", 200, 10)
    config = configured("data.per_iteration=50")
    asked: list[str] = []
    make_pair = stage.make_pair

    def watched(prompts, question, settings, seed):  # type: ignore[no-untyped-def]
        asked.append(question.id)
        return make_pair(prompts, question, settings, seed)

    monkeypatch.setattr(stage, "make_pair", watched)
    for iteration in range(1, 5):
        caplog.clear()
        before = len(asked)
        made = stage.synthesize(config, store, iteration, 0, questions, UNCLEAR)
        begun = [
            r.getMessage() for r in caplog.records if r.getMessage().startswith("shard started")
        ]
        rows = [int(message.rpartition("rows=")[2]) for message in begun]
        assert all(count == 10 for count in rows[:-1])
        assert made.counts["inputs"] == sum(rows) == len(asked) - before
        assert len(made.shards) == len(rows) < 10
    assert sorted(asked) == sorted(f"q{number}" for number in range(200))


def test_questions_of_another_shard_size_are_other_pairs(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    questions = pool(store, "p000", 20, 10)
    keys = {
        stage.synthesize(configured(*changes), store, 1, 0, questions, UNCLEAR).key
        for changes in ([], ["data.shard_size=5"])
    }
    assert len(keys) == 2


def test_the_same_questions_are_asked_with_other_seeds_in_each_iteration(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    questions = pool(store, "p000", 20, 20)
    made = [
        [store.read(shard.key) for shard in stage.synthesize(
            configured(), store, iteration, 0, questions, UNCLEAR
        ).shards]
        for iteration in (1, 2, 3)
    ]  # fmt: skip
    assert len({tuple(shards) for shards in made}) == 3


def test_the_base_makes_the_pairs_whatever_the_judge_is(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    questions = pool(store, "p000", 20, 10)
    # An adapter that is nowhere: to open it would fail.
    judge = msgspec.structs.replace(UNCLEAR, adapter="train/none/adapter", adapter_sha256="ab")
    made = stage.synthesize(configured(), store, 1, 0, questions, judge)
    assert made.model == UNCLEAR
    assert made == stage.synthesize(configured(), store, 1, 0, questions, UNCLEAR)


def test_held_out_pairs_are_made_where_there_are_some(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    held_out = pool(store, HELD_OUT, 20, 10)
    assert stage.hold_out(configured(), store, held_out, UNCLEAR).rows > 0


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (HELD_OUT, r"none of 20 held-out .*20 unanimous.*The first unanimous: "),
        ("p000", "of 20 questions none is held out"),
    ],
)
def test_no_held_out_pair_at_all_is_an_error_that_says_why(
    tmp_path: Path, split: str, message: str
) -> None:
    store = FolderStore(tmp_path)
    questions = pool(store, split, 20, 10)
    for _ in range(2):  # the second time, what was made is found
        with pytest.raises(DataError, match=message):
            stage.hold_out(configured(), store, questions, CLEAR)
