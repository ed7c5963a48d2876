"""Questions that show what a benchmark shows are refused and named, and others are not."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import msgspec
import pytest
from PIL import Image

from judgeloop.data.contamination import BenchmarkItem, Guard
from judgeloop.runtime.stages.ingest import ingest
from judgeloop.schema.config import Config, load_config
from judgeloop.store import FolderStore
from tests.conftest import REPOSITORY

DATA = REPOSITORY.parent / "shared" / "data"
FIXTURE = DATA / "format_fixtures" / "mm_rewardbench_format"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} is not here")
PROMPT = "Which of the two boats is nearer to the red lighthouse on the left shore?"
Changed = Callable[[Image.Image], bytes]


def encoded(image: Image.Image, kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, kind, **options)
    return buffer.getvalue()


def resized(image: Image.Image, factor: float) -> Image.Image:
    width, height = (max(1, round(side * factor)) for side in image.size)
    return image.resize((width, height))


COPIES: dict[str, Changed] = {
    "as PNG": lambda image: encoded(image, "PNG"),
    "as JPEG of quality 50": lambda image: encoded(image, "JPEG", quality=50),
    "as WebP": lambda image: encoded(image, "WEBP", quality=70),
    "half as large": lambda image: encoded(resized(image, 0.5), "PNG"),
    "twice as large, as JPEG": lambda image: encoded(resized(image, 2.0), "JPEG", quality=80),
}


def photographs() -> list[Path]:
    return sorted((DATA / "photos" / "images").iterdir())


@needs_data
@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_of_a_benchmark_s_image_is_refused_and_the_item_named(copy: str) -> None:
    files = photographs()
    guard = Guard(
        BenchmarkItem(name=file.stem, prompt="", images=(file.read_bytes(),)) for file in files[:5]
    )
    for file in files[:5]:
        found = guard.repeated_image(COPIES[copy](Image.open(file)))
        assert found is not None
        assert found.startswith(file.stem)
    for file in files[5:]:
        assert guard.repeated_image(COPIES[copy](Image.open(file))) is None


@needs_data
def test_the_same_bytes_are_told_from_another_encoding() -> None:
    data = photographs()[0].read_bytes()
    guard = Guard([BenchmarkItem(name="item 1", prompt="", images=(data,))])
    assert guard.repeated_image(data) == "item 1 has the same image"
    assert "another encoding" in (guard.repeated_image(COPIES["as PNG"](Image.open(
        io.BytesIO(data)))) or "")  # fmt: skip


def test_pictures_of_one_colour_are_compared_by_their_bytes_alone() -> None:
    white, black = (encoded(Image.new("RGB", (32, 32), c), "PNG") for c in ("white", "black"))
    guard = Guard([BenchmarkItem(name="item 1", prompt="", images=(white,))])
    assert guard.repeated_image(white) is not None
    assert guard.repeated_image(black) is None


REPEATED = (
    PROMPT,
    PROMPT.upper(),
    PROMPT.replace("?", " ...").replace(" two", ", two,"),
    f"<image>\n{PROMPT} Answer briefly.",
)
NEW = (
    "Which of the two boats is nearer?",
    "Which of the two boats has a red sail, and who is steering it to the shore?",
    "Which of the two boats is nearer to the red buoy, and which one is going to leave the bay?",
    "",
)


@pytest.mark.parametrize("text", REPEATED)
def test_a_prompt_of_a_benchmark_is_refused_whatever_its_case_and_punctuation(text: str) -> None:
    guard = Guard([BenchmarkItem(name="item 1", prompt=PROMPT, images=())])
    assert guard.repeated_prompt(text) == "item 1 has this prompt"


@pytest.mark.parametrize("text", NEW)
def test_a_prompt_that_shares_some_words_is_not(text: str) -> None:
    guard = Guard([BenchmarkItem(name="item 1", prompt=PROMPT, images=())])
    assert guard.repeated_prompt(text) is None


def test_a_template_that_a_benchmark_asks_of_many_images_is_not_its_own() -> None:
    images = [encoded(Image.new("RGB", (8, 8), (n, 0, 0)), "PNG") for n in range(3)]
    items = [
        BenchmarkItem(name=str(n), prompt=PROMPT, images=(data,)) for n, data in enumerate(images)
    ]
    assert Guard(items[:2]).repeated_prompt(PROMPT) is not None
    assert Guard(items).repeated_prompt(PROMPT) is None


def configured(folder: Path, rows: list[dict[str, object]], *benchmarks: str) -> Config:
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    micro = REPOSITORY / "pipelines/configs/micro.yaml"
    config = load_config(micro, [f"data.questions={folder}/questions.jsonl", "data.count=null"])
    places = {name: str(FIXTURE / "data") for name in benchmarks}
    chosen = msgspec.structs.replace(config.evaluation, benchmarks=benchmarks, data=places)
    return msgspec.structs.replace(config, evaluation=chosen)


@needs_data
def test_ingest_leaves_out_what_the_chosen_benchmarks_show(tmp_path: Path) -> None:
    item = json.loads((FIXTURE / "data/all_data.json").read_text())[0]
    shown = Image.open(FIXTURE / "data" / item["Image"])
    (tmp_path / "copy.jpg").write_bytes(encoded(resized(shown, 0.5), "JPEG", quality=60))
    for number in range(3):
        noise = Random(number).randbytes(64 * 64)
        made = Image.frombytes("L", (64, 64), noise)
        (tmp_path / f"{number}.jpg").write_bytes(encoded(made, "JPEG"))
    rows: list[dict[str, object]] = [
        {"id": f"q{n}", "images": [f"{n}.jpg"], "text": "What is it?"} for n in range(3)
    ]
    rows.append({"id": "copied", "images": ["copy.jpg"], "text": "What is it?"})
    store = FolderStore(tmp_path / "store")
    free = ingest(configured(tmp_path, rows), store)
    guarded = ingest(configured(tmp_path, rows, "mm-rewardbench"), store)
    assert free.key != guarded.key
    assert free.counts["rows"] == 4
    assert guarded.counts["dropped/in_benchmark"] == 1
    names = [name for name in store.list(f"ingest/{guarded.key}") if "quarantine" in name]
    quarantined = b"".join(store.read(name) for name in names)
    assert b'"copied"' in quarantined
    assert b"mm-rewardbench: item" in quarantined


def test_ingest_leaves_out_what_gold_pairs_of_one_s_own_show(tmp_path: Path) -> None:
    for number in range(4):
        made = Image.frombytes("L", (8, 8), Random(number).randbytes(64)).resize((64, 64))
        (tmp_path / f"{number}.jpg").write_bytes(encoded(made, "JPEG"))
    (tmp_path / "small.png").write_bytes(encoded(resized(made, 0.5), "PNG"))
    gold = {"id": "g", "images": ["3.jpg"], "question": PROMPT, "kind": "caption",
            "category": "c", "chosen": "a", "rejected": "b"}  # fmt: skip
    (tmp_path / "more.jsonl").write_text("not a row\n" + json.dumps(gold) + "\n")
    rows: list[dict[str, object]] = [
        {"id": f"q{n}", "images": [f"{n}.jpg"], "text": "What is it?"} for n in range(3)
    ]
    rows.append({"id": "copied", "images": ["small.png"], "text": "What is it?"})
    rows.append({"id": "asked", "images": ["0.jpg"], "text": PROMPT.upper()})
    rows.append({"id": "second", "images": ["1.jpg", "small.png"], "text": "Which is larger?"})
    store, own = FolderStore(tmp_path / "store"), f"{tmp_path}/more.jsonl"
    guarded = ingest(configured(tmp_path, rows, own), store)
    assert guarded.counts["dropped/in_benchmark"] == 3
    names = [name for name in store.list(f"ingest/{guarded.key}") if "quarantine" in name]
    quarantined = b"".join(store.read(name) for name in names)
    assert b"more.jsonl: item g has this image in another encoding" in quarantined
    assert b"more.jsonl: item g has this prompt" in quarantined
    assert b'"second"' in quarantined  # each image of a question is looked at
    (tmp_path / "3.jpg").write_bytes((tmp_path / "2.jpg").read_bytes())
    assert ingest(configured(tmp_path, rows, own), store).key != guarded.key
