"""Data on its way in: bad rows are counted with reasons, good rows go on."""

import io
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image

from judgeloop.config import Config, load_config
from judgeloop.errors import DataError
from judgeloop.evaluation.gold import load_gold
from judgeloop.images import ImageLibrary
from judgeloop.records import Pair, Question
from judgeloop.shards import Dropped, read_records
from judgeloop.stages.ingest import HELD_OUT, ingest
from judgeloop.store import FolderStore

MICRO = Path(__file__).parents[2] / "pipelines" / "configs" / "micro.yaml"


def png(colour: tuple[int, int, int], size: tuple[int, int] = (8, 8)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def row(number: int, **changes: Any) -> dict[str, Any]:
    fields = {
        "id": f"q{number}",
        "images": [f"{number}.png"],
        "text": "count all",
        "kind": "number",
    }
    return fields | changes


def write(folder: Path, lines: list[dict[str, Any] | bytes]) -> str:
    texts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    (folder / "questions.jsonl").write_bytes(b"\n".join(texts) + b"\n")
    for number in range(20):
        (folder / f"{number}.png").write_bytes(png((number, 0, 0)))
    return str(folder / "questions.jsonl")


def configured(source: str, **data: Any) -> Config:
    config = load_config(MICRO)
    return msgspec.structs.replace(
        config,
        data=msgspec.structs.replace(config.data, questions=source, count=None, **data),
        loop=msgspec.structs.replace(config.loop, partitions=2),
    )


BAD_ROWS: list[tuple[str, dict[str, Any] | bytes, str]] = [
    ("a broken line", b'{"id": "x", ', "bad_record"),
    ("a line in another encoding", b'{"id": "\xff"}', "bad_record"),
    ("an unknown kind", row(1, kind="essay"), "bad_record"),
    ("an unknown field", row(1, answer="3"), "bad_record"),
    ("a missing field", {"id": "x"}, "bad_record"),
    ("a wrong type", row(1, images="1.png"), "bad_record"),
    ("an id seen before", row(0), "duplicate_id"),
    ("an empty id", row(1, id=""), "empty_id"),
    ("a missing image", row(1, images=["none.png"]), "bad_image"),
    ("no image", row(1, images=[]), "bad_image"),
    ("a path out of the folder", row(1, images=["../secret.png"]), "bad_image"),
    ("an absolute path", row(1, images=["/etc/passwd"]), "bad_image"),
    ("a page instead of an image", row(1, images=["page.png"]), "bad_image"),
    ("a truncated image", row(1, images=["cut.png"]), "bad_image"),
    ("an image over the limit", row(1, images=["huge.png"]), "bad_image"),
    ("an empty text", row(1, text="  "), "bad_text"),
    ("a text of 100,000 characters", row(1, text="x" * 100_000), "bad_text"),
]


@pytest.mark.parametrize(("_", "bad", "reason"), BAD_ROWS, ids=[name for name, _, _ in BAD_ROWS])
def test_a_bad_row_is_quarantined_with_its_reason_and_the_good_rows_go_on(
    tmp_path: Path, _: str, bad: dict[str, Any] | bytes, reason: str
) -> None:
    source = write(tmp_path, [row(0), bad, row(2)])
    (tmp_path / "page.png").write_text("<html>not found</html>")
    (tmp_path / "cut.png").write_bytes(png((1, 2, 3), (64, 64))[:-30])
    (tmp_path / "huge.png").write_bytes(png((0, 0, 0), (200, 200)))
    store = FolderStore(tmp_path / "store")
    manifest = ingest(configured(source, max_pixels=10_000), store)
    assert manifest.counts[f"dropped/{reason}"] == 1
    assert {q.id for q in read_records(store, manifest, Question)} == {"q0", "q2"}
    (quarantine,) = [k for k in store.list(f"ingest/{manifest.key}") if "quarantine" in k]
    dropped = msgspec.json.decode(store.read(quarantine), type=Dropped)
    assert dropped.reason == reason
    assert "questions.jsonl:2" in dropped.id + dropped.detail


def test_a_file_without_a_usable_row_is_an_error_that_counts_the_reasons(tmp_path: Path) -> None:
    source = write(tmp_path, [b"nonsense"])
    with pytest.raises(DataError, match=r"no usable row.*bad_record"):
        ingest(configured(source), FolderStore(tmp_path / "store"))


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.jsonl: no such file"):
        ingest(configured(str(tmp_path / "none.jsonl")), FolderStore(tmp_path / "store"))


def test_all_questions_about_an_image_share_a_split_and_the_held_out_part_shares_no_image(
    tmp_path: Path,
) -> None:
    rows = [row(n % 20, id=f"q{n}", text=f"count {n}") for n in range(60)]
    store = FolderStore(tmp_path / "store")
    manifest = ingest(configured(write(tmp_path, list(rows))), store)
    split_of_image: dict[str, str] = {}
    for shard in manifest.shards:
        part = msgspec.structs.replace(manifest, shards=(shard,))
        for question in read_records(store, part, Question):
            assert split_of_image.setdefault(question.images[0], shard.split) == shard.split
    assert set(split_of_image.values()) == {"p000", "p001", HELD_OUT}


def test_the_same_rows_give_the_same_manifest_in_another_store(tmp_path: Path) -> None:
    source = write(tmp_path, [row(n) for n in range(10)])
    stores = [FolderStore(tmp_path / name) for name in ("one", "two")]
    first, second = (ingest(configured(source), store) for store in stores)
    assert first == second


def test_a_count_takes_the_first_rows_of_a_file(tmp_path: Path) -> None:
    source = write(tmp_path, [row(n) for n in range(10)])
    config = configured(source)
    config = msgspec.structs.replace(config, data=msgspec.structs.replace(config.data, count=4))
    assert ingest(config, FolderStore(tmp_path / "store")).rows == 4


def test_a_gold_pair_whose_answers_are_the_same_is_quarantined(tmp_path: Path) -> None:
    gold = {"id": "g", "images": ["0.png"], "question": "caption", "kind": "caption",
            "category": "caption", "chosen": "red", "rejected": "blue"}  # fmt: skip
    write(tmp_path, [])
    lines = [gold, gold | {"id": "h", "rejected": "red"}]
    (tmp_path / "gold.jsonl").write_text("\n".join(map(json.dumps, lines)))
    config = load_config(MICRO, [f"evaluation.gold={tmp_path}/gold.jsonl"])
    store = FolderStore(tmp_path / "store")
    manifest = load_gold(config, store, ImageLibrary(store, 1000))
    assert manifest.counts == {"dropped/bad_text": 1, "inputs": 2, "rows": 1}
    assert [pair.id for pair in read_records(store, manifest, Pair)] == ["g"]
