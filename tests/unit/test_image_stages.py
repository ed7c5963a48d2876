"""The stages that bring images into the store: killed, out of room, or with images in common."""

import json
from pathlib import Path

import msgspec
import pytest

from judgeloop.runtime.stages.gold import load_gold
from judgeloop.runtime.stages.ingest import ingest
from judgeloop.schema.config import Config, load_config
from judgeloop.schema.errors import StoreError
from judgeloop.schema.records import Pair, Question
from judgeloop.store import FolderStore
from judgeloop.store.images import ImageLibrary, packer
from judgeloop.store.shards import read_records
from tests.conftest import REPOSITORY
from tests.unit.test_images import CountingStore, content, noise, packs, picture

MICRO = REPOSITORY / "pipelines" / "configs" / "micro.yaml"


@pytest.fixture(autouse=True)
def few_in_a_pack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packer, "PACK_IMAGES", 4)


def questions(folder: Path, count: int) -> str:
    """A questions file of small pictures and two large ones; every tenth row names no image."""
    folder.mkdir()
    rows = []
    for number in range(count):
        name = f"{number}.bmp"
        (folder / name).write_bytes(noise(number, 160) if number in (3, 17) else picture(number))
        images = ["none.bmp"] if number % 10 == 9 else [name]
        rows.append({"id": f"q{number}", "images": images, "text": "count all", "kind": "number"})
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return str(folder / "rows.jsonl")


def configured(source: str) -> Config:
    config = load_config(MICRO)
    data = msgspec.structs.replace(config.data, questions=source, count=None, shard_size=5)
    loop = msgspec.structs.replace(config.loop, partitions=2)
    return msgspec.structs.replace(config, data=data, loop=loop)


def test_ingest_killed_before_any_write_and_begun_again_ends_like_an_unbroken_one(
    tmp_path: Path,
) -> None:
    config = configured(questions(tmp_path / "data", 24))
    unbroken = CountingStore(tmp_path / "unbroken")
    manifest = ingest(config, unbroken)
    written = len(unbroken.created)
    assert written > 10  # packs, large images, the index, shards, the quarantine, the manifest
    for dies_at in range(written):
        root = tmp_path / str(dies_at)
        with pytest.raises(KeyboardInterrupt):
            ingest(config, CountingStore(root, dies_at))
        # The lease, which was created first, was given up.
        assert len(FolderStore(root).list("")) == max(0, dies_at - 1)
        assert ingest(config, FolderStore(root)) == manifest
        assert content(FolderStore(root)) == content(unbroken)


def test_the_manifest_comes_after_every_image(tmp_path: Path) -> None:
    store = CountingStore(tmp_path / "store")
    manifest = ingest(configured(questions(tmp_path / "data", 24)), store)
    assert store.created[-1] == f"ingest/{manifest.key}/manifest.json"
    reader = ImageLibrary(store, 100_000)
    found = [reader.open(q.images[0]) for q in read_records(store, manifest, Question)]
    assert len(found) == 22


def test_a_store_that_cannot_be_written_ends_the_stage_and_drops_no_row(tmp_path: Path) -> None:
    class FullStore(FolderStore):
        def create(self, key: str, data: bytes) -> bool:
            if key.startswith("images/"):
                raise StoreError("the disk is full")
            return super().create(key, data)

    with pytest.raises(StoreError, match="disk is full"):
        ingest(configured(questions(tmp_path / "data", 24)), FullStore(tmp_path / "store"))


def test_questions_and_gold_share_images_and_each_reads_them(tmp_path: Path) -> None:
    source = questions(tmp_path / "data", 8)
    gold = [
        {"id": f"g{n}", "images": [f"{n}.bmp"], "question": "caption", "kind": "caption",
         "category": "caption", "chosen": "red", "rejected": "blue"} for n in (7, 6)
    ]  # fmt: skip
    (tmp_path / "data" / "gold.jsonl").write_text("\n".join(map(json.dumps, gold)))
    evaluation = load_config(MICRO, [f"evaluation.gold={tmp_path}/data/gold.jsonl"]).evaluation
    config = msgspec.structs.replace(configured(source), evaluation=evaluation)
    store = FolderStore(tmp_path / "store")
    asked = ingest(config, store)
    images = ImageLibrary(store, 100_000)
    pairs = load_gold(config, store, images)
    of_gold = {p.question.images[0] for p in read_records(store, pairs, Pair)}
    of_questions = {q.images[0] for q in read_records(store, asked, Question)}
    assert of_gold < of_questions
    assert len(packs(store)) == 3  # two of the questions, one of the gold pairs
    assert len(store.list("images/indexes")) == 2
    assert {images.open(name).size for name in of_gold} == {(1, 1)}
