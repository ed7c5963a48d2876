"""Gold pairs that say the same, or the reverse, and files and rows that look right but are not."""

import gzip
import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from judgeloop.data.media_marks import without_media_marks
from judgeloop.data.same_text import same_text_key
from judgeloop.runtime.stages.gold import load_gold
from judgeloop.runtime.stages.ingest import ingest
from judgeloop.schema.config import load_config
from judgeloop.schema.errors import DataError
from judgeloop.schema.records import Manifest, Pair, Question
from judgeloop.store import FolderStore
from judgeloop.store.images import ImageLibrary
from judgeloop.store.shards import read_records
from tests.bad_input.case import png
from tests.conftest import REPOSITORY

MICRO = REPOSITORY / "pipelines/configs/micro.yaml"
CASES = REPOSITORY.parent / "shared" / "cases"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason=f"{CASES} is not here")


def gold(number: int, chosen: str, rejected: str, **changes: Any) -> dict[str, Any]:
    row = {
        "id": f"g{number}", "images": ["0.png"], "question": "What colour?", "category": "c",
        "kind": "short_phrase", "chosen": chosen, "rejected": rejected,
    }  # fmt: skip
    return row | changes


def load(folder: Path, rows: list[dict[str, Any]] | bytes) -> tuple[Manifest, FolderStore]:
    for number in range(2):
        (folder / f"{number}.png").write_bytes(png(number))
    path = folder / "gold.jsonl"
    text = b"\n".join(json.dumps(row).encode() for row in rows) if isinstance(rows, list) else rows
    path.write_bytes(text)
    store = FolderStore(folder / "store")
    config = load_config(MICRO, [f"evaluation.gold={path}"])
    return load_gold(config, store, ImageLibrary(store, 1000)), store


def details(store: FolderStore) -> str:
    keys = [key for key in store.list("") if "quarantine" in key]
    return " ".join(store.read(key).decode() for key in keys)


SAME = [
    ("red", "red\n"),
    ("red", "  red"),
    ("red car", "red  car"),
    ("red car", "red\u00a0car"),
    ("red", "Red"),
    ("Straße", "STRASSE"),
    ("café", unicodedata.normalize("NFD", "café")),
    ("ﬁve", "five"),
    ("３", "3"),
    ("red", "re\u200bd"),
    ("ΣΑΣ", "σας"),
    ("Å", "\u212b"),
]
DIFFERENT = [
    ("C++", "C#"),
    ("-5", "5"),
    ("3.5", "35"),
    ("red.", "red"),
    ("é", "e"),
    ("कि", "की"),
    ("a b", "ab"),
    ("yes", "no"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_answers_that_a_reader_cannot_tell_apart_are_quarantined(
    tmp_path: Path, one: str, other: str
) -> None:
    assert same_text_key(one) == same_text_key(other)
    manifest, store = load(tmp_path, [gold(0, "a", "b"), gold(1, one, other)])
    assert manifest.counts == {"inputs": 2, "rows": 1, "dropped/bad_text": 1}
    assert "gold.jsonl:2: chosen and rejected are the same text" in details(store)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_answers_that_differ_for_a_reader_stay(tmp_path: Path, one: str, other: str) -> None:
    manifest, _ = load(tmp_path, [gold(0, one, other)])
    assert manifest.counts == {"inputs": 1, "rows": 1}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"question": " what  COLOUR? "},
        {"question": "<image>\nWhat colour?"},
        {"chosen": "Blue", "rejected": "red\n"},
        {"category": "other"},
        {"kind": "caption"},
        {"images": ["copy.png"]},
    ],
    ids=["swapped", "question", "mark", "answers", "category", "kind", "image"],
)
def test_pairs_that_contradict_each_other_are_both_quarantined_and_name_each_other(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    (tmp_path / "copy.png").write_bytes(png(0))
    rows = [gold(0, "red", "blue"), gold(1, "blue", "red") | changes, gold(2, "a", "b")]
    manifest, store = load(tmp_path, rows)
    assert manifest.counts == {"inputs": 3, "rows": 1, "dropped/contradiction": 2}
    assert [pair.id for pair in read_records(store, manifest, Pair)] == ["g2"]
    said = details(store)
    assert "gold.jsonl:1: " in said
    assert "gold.jsonl:2 prefers the other answer" in said
    assert "gold.jsonl:1 prefers the other answer" in said


@pytest.mark.parametrize(
    "changes",
    [{"question": "Which one?"}, {"images": ["1.png"]}, {"images": ["0.png", "1.png"]},
     {"choices": ["red", "blue"]}],
    ids=["question", "image", "images", "choices"],
)  # fmt: skip
def test_pairs_about_something_else_contradict_nothing(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    rows = [gold(0, "red", "blue"), gold(1, "blue", "red", **changes)]
    assert load(tmp_path, rows)[0].counts == {"inputs": 2, "rows": 2}


def test_of_equal_pairs_the_first_is_kept(tmp_path: Path) -> None:
    rows = [gold(0, "red", "blue"), gold(1, "RED", " blue"), gold(2, "red", "green")]
    manifest, store = load(tmp_path, rows)
    assert manifest.counts == {"inputs": 3, "rows": 2, "dropped/duplicate_pair": 1}
    assert "gold.jsonl:2: " in details(store)
    assert "gold.jsonl:1 is the same pair, under another id" in details(store)


def test_three_pairs_of_which_one_contradicts_two_are_all_quarantined(tmp_path: Path) -> None:
    rows = [gold(0, "red", "blue"), gold(1, "red", "blue"), gold(2, "blue", "red")]
    with pytest.raises(DataError, match=r"3 contradiction.*gold\.jsonl:3 prefers the other"):
        load(tmp_path, rows)


def test_options_of_a_gold_question_are_shown(tmp_path: Path) -> None:
    options = ["red", "blue"]
    manifest, store = load(tmp_path, [gold(0, "A", "B", kind="multiple_choice", choices=options)])
    (pair,) = read_records(store, manifest, Pair)
    assert pair.question.choices == ("red", "blue")


@needs_cases
def test_a_file_of_contradictions_is_refused_with_their_number(tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes((CASES / "red.png").read_bytes())
    data = (CASES / "gold_contradicting.jsonl").read_bytes()
    with pytest.raises(DataError, match="1 bad_text, 5 contradiction"):
        load(tmp_path, data)


ROW = json.dumps(gold(0, "red", "blue")).encode()
FILES = [
    (b"[" + ROW + b"]", "JSON array.*jq -c"),
    (b"\n  [\n" + ROW + b"\n]\n", "JSON array"),
    (json.dumps(gold(0, "red", "blue"), indent=1).encode(), "several lines.*jq -c"),
    (ROW + b"\r" + ROW + b"\r", "CR alone.*tr"),
    (gzip.compress(ROW), "gzip.*gunzip"),
    (b"BZh91AY", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd\0", "zstd"),
    (b"PK\x03\x04", "zip archive"),
    (b"\x04\x22\x4d\x18\0", "lz4"),
    (b"id,chosen\ng0,red\n", "CSV file; write its rows as JSONL"),
    (b"SQLite format 3\0", "SQLite database.*sqlite3"),
    (ROW.decode().encode("utf-32"), "UTF-32.*iconv"),
    (b"PAR1\0", "Parquet"),
    (ROW.decode().encode("utf-16"), "UTF-16.*iconv"),
    (b"", "the file is empty"),
]


@pytest.mark.parametrize(("data", "words"), FILES, ids=[words for _, words in FILES])
def test_a_file_of_another_format_is_an_error_with_the_remedy(
    tmp_path: Path, data: bytes, words: str
) -> None:
    with pytest.raises(DataError, match=rf"gold\.jsonl: .*{words}"):
        load(tmp_path, data)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n", b""])
def test_a_file_with_usual_line_ends_is_read(tmp_path: Path, end: bytes) -> None:
    assert load(tmp_path, b"\xef\xbb\xbf" + ROW + end)[0].rows == 1


@pytest.mark.parametrize(
    "extra", ['"chosen": "green"', '"id": "g0"', '"images": []', '"question": "What colour?"']
)
def test_a_key_that_is_there_twice_in_a_row_is_named(tmp_path: Path, extra: str) -> None:
    name = extra.split('"')[1]
    twice = ROW[:-1] + f", {extra}}}".encode()
    manifest, store = load(tmp_path, twice + b"\n" + json.dumps(gold(1, "a", "b")).encode())
    assert manifest.counts["dropped/bad_record"] == 1
    assert f"gold.jsonl:1: the key `{name}` occurs twice" in details(store)


@pytest.mark.parametrize(("written", "named"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_an_image_is_found_by_its_names_other_normal_form(
    tmp_path: Path, written: Any, named: Any
) -> None:
    (tmp_path / "ordner_ü").mkdir()
    name = "ordner_ü/é.png"
    path = tmp_path / unicodedata.normalize(written, name)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(png(7))
    row = gold(0, "red", "blue", images=[unicodedata.normalize(named, name)])
    assert load(tmp_path, [row])[0].rows == 1


MARKS = [
    ("<image>\nWhat is it?", 1, "What is it?"),
    ("What is it?\n<image>", 1, "What is it?"),
    ("<image> <image>\nWhich?", 2, "Which?"),
    ("<image>\n", 1, ""),
    ("<video>\nWhat happens?", 1, "What happens?"),
    ("<IMAGE>What?", 1, "What?"),
    ("<|vision_start|><|image_pad|><|vision_end|>What?", 1, "What?"),
    ("<|vision_start|><|image_pad|><|image_pad|><|vision_end|> What?", 1, "What?"),
    ("<|vision_start|><|video_pad|><|vision_end|>\nWhat?", 1, "What?"),
    ("<|image|>What?", 1, "What?"),
    ("<start_of_image> What?", 1, "What?"),
    ("<|image_1|>\n<|image_2|>\nCompare.", 2, "Compare."),
    ("[IMG]What?", 1, "What?"),
    ("<image_placeholder>What?", 1, "What?"),
    ("Compare <image> with <image>.", 2, "Compare [image 1] with [image 2]."),
    ("<image>\nIs it like <image>?", 2, "Is it like [image 2]?"),
    ("Is <image 2> larger than <image 1>?", 2, "Is [image 2] larger than [image 1]?"),
    ("What does <|image_pad|> stand for?", 1, "What does <|image_pad|> stand for?"),
    ("x <|video_pad|>", 1, "x <|video_pad|>"),
    ("What does <imagery> mean?", 1, "What does <imagery> mean?"),
    (" keep my spaces ", 1, " keep my spaces "),
]


@pytest.mark.parametrize(("text", "images", "expected"), MARKS, ids=[text for text, _, _ in MARKS])
def test_marks_of_images_are_normalised(text: str, images: int, expected: str) -> None:
    assert without_media_marks(text, images) == expected


@pytest.mark.parametrize(
    ("text", "images"), [("<image><image>x", 1), ("<image 3> x", 2), ("<image 0> x", 1)]
)
def test_a_mark_without_its_image_is_refused(text: str, images: int) -> None:
    with pytest.raises(DataError, match=rf"refers to image \d.*has {images} image"):
        without_media_marks(text, images)


def ask(folder: Path, texts: list[str]) -> tuple[Manifest, FolderStore]:
    (folder / "red.png").write_bytes(png(3))
    rows = [{"id": f"q{n}", "images": ["red.png"], "text": text} for n, text in enumerate(texts)]
    (folder / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    store = FolderStore(folder / "store")
    return ingest(load_config(MICRO, [f"data.questions={folder}/q.jsonl"]), store), store


def test_questions_lose_their_marks_where_they_come_in(tmp_path: Path) -> None:
    manifest, store = ask(tmp_path, ["<image>\nHow many?", "<image>\n", "<image><image> a?"])
    assert [q.text for q in read_records(store, manifest, Question)] == ["How many?"]
    assert manifest.counts["dropped/bad_text"] == 2


def test_a_data_set_without_a_usable_row_quotes_the_most_frequent_reason(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"2 bad_text\. The first bad_text: .*q\.jsonl:1: .*refers to"
    ):
        ask(tmp_path, ["<image><image> a?", "<image><image> b?"])


def test_further_fields_of_a_gold_pair_are_carried_in_meta_and_tell_no_pairs_apart(
    tmp_path: Path,
) -> None:
    rows = [gold(0, "red", "blue", annotator="x", meta={"n": 1}), gold(1, "red", "blue", url="u")]
    manifest, store = load(tmp_path, rows)
    (pair,) = read_records(store, manifest, Pair)
    assert pair.question.meta == {"n": 1, "annotator": "x"}
    assert manifest.dropped == {"duplicate_pair": 1}
