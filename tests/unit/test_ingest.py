"""Data on its way in: bad rows are counted with reasons, good rows go on."""

import io
import json
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image

from judgeloop.data.images import READ_AHEAD, SourceImages
from judgeloop.ops.own_keys import is_own
from judgeloop.runtime.stages.evaluate import evaluate
from judgeloop.runtime.stages.gold import load_gold
from judgeloop.runtime.stages.ingest import HELD_OUT, ingest
from judgeloop.schema.config import Config, load_config
from judgeloop.schema.errors import DataError, StoreError
from judgeloop.schema.records import Dropped, ModelRef, Pair, Question
from judgeloop.schema.results import Scores
from judgeloop.store import FolderStore
from judgeloop.store.images import ImageLibrary
from judgeloop.store.shards import finished, read_records
from tests.bad_input.images import black_png
from tests.unit.test_images import CountingStore

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
    ("a further field of 30,000 bytes", row(1, answer="3" * 30_000), "bad_record"),
    ("a hundred and one further fields", row(1, **{f"f{n}": n for n in range(101)}), "bad_record"),
    ("a further field nested deep", row(1, answer=json.loads("[" * 30 + "]" * 30)), "bad_record"),
    ("a further field nested without end",
     json.dumps(row(1))[:-1].encode() + b', "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
     "bad_record"),
    ("a further field with half a character",
     json.dumps(row(1))[:-1].encode() + b', "x": "\\ud800"}', "bad_record"),
    ("a number above all numbers", json.dumps(row(1))[:-1].encode() + b', "x": 1e999}',
     "bad_record"),
    ("a `meta` that is no object", row(1, meta="3"), "bad_record"),
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
]  # fmt: skip


@pytest.mark.parametrize(("_", "bad", "reason"), BAD_ROWS, ids=[name for name, _, _ in BAD_ROWS])
def test_a_bad_row_is_quarantined_with_its_reason_and_the_good_rows_go_on(
    tmp_path: Path, _: str, bad: dict[str, Any] | bytes, reason: str
) -> None:
    source = write(tmp_path, [row(0), bad, row(2)])
    (tmp_path / "page.png").write_text("<html>not found</html>")
    (tmp_path / "cut.png").write_bytes(png((1, 2, 3), (64, 64))[:-30])
    (tmp_path / "huge.png").write_bytes(black_png(12_000))
    store = FolderStore(tmp_path / "store")
    manifest = ingest(configured(source), store)
    assert manifest.counts[f"dropped/{reason}"] == 1
    assert {q.id for q in read_records(store, manifest, Question)} == {"q0", "q2"}
    (quarantine,) = [k for k in store.list(f"ingest/{manifest.key}") if "quarantine" in k]
    assert is_own(quarantine)  # `judgeloop clean` may remove it
    dropped = msgspec.json.decode(store.read(quarantine), type=Dropped)
    assert dropped.reason == reason
    assert "questions.jsonl:2" in dropped.id + dropped.detail


def test_further_fields_of_a_question_are_carried_in_meta_and_rows_without_them_are_as_before(
    tmp_path: Path,
) -> None:
    rows = [row(0), row(1, answer={"text": "3"}, meta={"split": "test"}, url=None)]
    store = FolderStore(tmp_path / "store")
    manifest = ingest(configured(write(tmp_path, list(rows))), store)
    assert manifest.dropped == {}
    made = {question.id: question for question in read_records(store, manifest, Question)}
    assert made["q0"].meta is msgspec.UNSET
    assert made["q1"].meta == {"split": "test", "answer": {"text": "3"}, "url": None}
    lines = b"".join(store.read(shard.key) for shard in manifest.shards).splitlines()
    assert [b"meta" in line for line in lines].count(True) == 1


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


def test_images_that_were_mended_or_changed_beside_the_same_file_are_ingested_anew(
    tmp_path: Path,
) -> None:
    source = write(tmp_path, [row(n) for n in range(4)] + [row(9, images=["late.png"])])
    store = FolderStore(tmp_path / "store")
    config = configured(source)
    first = ingest(config, store)
    assert ingest(config, store) == first
    (tmp_path / "late.png").write_bytes(b"broken")
    broken = ingest(config, store)
    (tmp_path / "late.png").write_bytes(png((9, 9, 9)))
    mended = ingest(config, store)
    (tmp_path / "0.png").write_bytes(png((1, 1, 1)))
    changed = ingest(config, store)
    assert [m.rows for m in (first, broken, mended, changed)] == [4, 4, 5, 5]
    assert len({m.key for m in (first, broken, mended, changed)}) == 4
    images = {q.id: q.images for q in read_records(store, changed, Question)}
    before = {q.id: q.images for q in read_records(store, mended, Question)}
    assert {name for name in images if images[name] != before[name]} == {"q0"}


def test_the_key_names_the_data_and_not_its_place_or_what_decides_nothing(tmp_path: Path) -> None:
    keys = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        source = write(tmp_path / name, [row(n) for n in range(4)] + [row(5, images=["no.png"])])
        keys.append(ingest(configured(source), FolderStore(tmp_path / f"store-{name}")).key)
    keys.append(ingest(configured(source, per_iteration=2), FolderStore(tmp_path / "store")).key)
    assert len(set(keys)) == 1
    for changes in ({"max_pixels": 64}, {"background": "black"}, {"shard_size": 3}):
        assert ingest(configured(source, **changes), FolderStore(tmp_path / "s")).key != keys[0]


def test_a_question_with_held_out_and_training_images_is_quarantined(tmp_path: Path) -> None:
    rows = [row(10 * n + m, images=[f"{n}.png", f"{m}.png"]) for n in range(10) for m in range(10)]
    store = FolderStore(tmp_path / "store")
    manifest = ingest(configured(write(tmp_path, list(rows))), store)
    images: dict[bool, set[str]] = {True: set(), False: set()}
    for shard in manifest.shards:
        part = msgspec.structs.replace(manifest, shards=(shard,))
        for question in read_records(store, part, Question):
            images[shard.split == HELD_OUT].update(question.images)
    held_out, trained = len(images[True]), len(images[False])
    assert not images[True] & images[False]
    assert held_out + trained == 10
    assert manifest.counts["dropped/mixed_split"] == 2 * held_out * trained
    assert manifest.rows == held_out**2 + trained**2


def test_an_image_that_changes_while_the_data_is_read_ends_the_stage(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(png((0, 0, 0)))
    images = SourceImages(FolderStore(tmp_path), ["0.png"])
    images.scan()
    (tmp_path / "0.png").write_bytes(png((1, 1, 1)))
    with pytest.raises(StoreError, match=r"0\.png: the image changed"):
        images.add_all(lambda data: "never")


def test_images_are_read_ahead_by_threads_in_a_window_and_added_in_order(tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(3 * READ_AHEAD)]
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    together = threading.Barrier(2, timeout=20)
    read: list[str] = []

    class Slow(FolderStore):
        def read(self, key: str) -> bytes:
            together.wait()  # breaks where images are read one by one
            read.append(key)
            return super().read(key)

    images = SourceImages(Slow(tmp_path), names)
    images.scan()
    read.clear()
    added: list[str] = []
    ahead: list[int] = []
    steps: list[int] = []

    def add(data: bytes) -> str:
        ahead.append(len(read) - len(added))
        added.append(data.decode())
        return ""

    images.add_all(add, steps.append)
    assert added == names
    assert max(ahead) <= READ_AHEAD
    assert sum(steps) == len(names)


def test_a_count_takes_the_first_rows_of_a_file(tmp_path: Path) -> None:
    source = write(tmp_path, [row(n) for n in range(10)])
    config = configured(source)
    config = msgspec.structs.replace(config, data=msgspec.structs.replace(config.data, count=4))
    assert ingest(config, FolderStore(tmp_path / "store")).rows == 4


def gold_config(folder: Path, *changes: str) -> Config:
    """Gold pairs of which the second has the same text twice and the third no image."""
    gold = {"id": "g", "images": ["0.png"], "question": "caption", "kind": "caption",
            "category": "caption", "chosen": "red", "rejected": "blue"}  # fmt: skip
    write(folder, [])
    lines = [gold, gold | {"id": "h", "rejected": "red"}, gold | {"id": "i", "images": ["n.png"]}]
    (folder / "gold.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return load_config(MICRO, [f"evaluation.gold={folder}/gold.jsonl", *changes])


def test_a_gold_pair_whose_answers_are_the_same_is_quarantined(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    manifest = load_gold(gold_config(tmp_path), store, ImageLibrary(store, 1000))
    assert manifest.counts == {
        "dropped/bad_image": 1, "dropped/bad_text": 1, "inputs": 3, "rows": 1
    }  # fmt: skip
    assert [pair.id for pair in read_records(store, manifest, Pair)] == ["g"]


def test_gold_is_read_anew_where_an_image_or_a_setting_changed(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    library = ImageLibrary(store, 1000)
    first = load_gold(gold_config(tmp_path), store, library)
    others = [
        load_gold(gold_config(tmp_path, change), store, library)
        for change in ("data.max_pixels=70", "data.background=grey", "data.shard_size=1")
    ]
    config = gold_config(tmp_path)
    (tmp_path / "n.png").write_bytes(png((9, 9, 9)))
    mended = load_gold(config, store, library)
    assert len({manifest.key for manifest in (first, mended, *others)}) == 5
    assert mended.rows == 2


def test_gold_killed_before_its_manifest_and_begun_with_other_shards_can_be_read(
    tmp_path: Path,
) -> None:
    root = tmp_path / "store"
    config = load_config(MICRO, ["evaluation.count=9", "data.shard_size=4"])
    unbroken = CountingStore(tmp_path / "unbroken")
    load_gold(config, unbroken, ImageLibrary(unbroken, 10_000))
    dying = CountingStore(root, dies_at=len(unbroken.created) - 1)
    with pytest.raises(KeyboardInterrupt):
        load_gold(config, dying, ImageLibrary(dying, 10_000))
    store = FolderStore(root)
    other = load_config(MICRO, ["evaluation.count=9", "data.shard_size=3"])
    manifest = load_gold(other, store, ImageLibrary(store, 10_000))
    assert len(list(read_records(store, manifest, Pair))) == 9


def test_an_evaluation_is_stored_as_it_is_returned_with_baselines_and_bad_gold_rows(
    tmp_path: Path,
) -> None:
    store = FolderStore(tmp_path / "store")
    made = evaluate(gold_config(tmp_path), store, 0, ModelRef(base="scripted:"))
    assert finished(store, "evaluate", made.key) == made
    assert made.expect(Scores).dropped == {"bad_image": 1, "bad_text": 1}
    assert set(made.expect(Scores).baselines) == {"always_first", "longer", "shorter", "random"}
    assert made.expect(Scores).pairs == made.inputs[0]
    assert evaluate(gold_config(tmp_path), store, 1, ModelRef(base="scripted:")) == made
