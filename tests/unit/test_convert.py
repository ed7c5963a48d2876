"""Data sets of other layouts become questions, with their images, and nothing of their answers."""

import json
import shlex
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from judgeloop.cli.main import main
from judgeloop.data.convert.conversion import Conversion, convert
from judgeloop.data.convert.layouts import Draft, TextOnlyError, read_row
from judgeloop.data.convert.pictures import Pictures
from judgeloop.data.images import READ_AHEAD
from judgeloop.schema.errors import ConfigError, DataError
from judgeloop.store.checksums import sha256_bytes
from tests.conftest import REPOSITORY
from tests.data_sets import (
    ANSWER,
    COLOURS,
    onevision,
    png,
    turns,
    write_all,
    write_image_folder,
    write_lines,
    write_pictures,
    write_shards,
)
from tests.unit.test_images import CountingStore

COMMANDS = [
    line
    for line in (REPOSITORY / "docs/data.md").read_text().splitlines()
    if line.startswith("judgeloop convert ")
]
DROPPED = {"rows.parquet": 1, "saved_data_set/": 1, "llava.jsonl": 1, "llava.json": 1}
"""Sources with a row of text alone."""


def questions(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "questions.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    write_all(folder)
    return folder


@pytest.mark.parametrize("command", [c for c in COMMANDS if "://" not in c])
def test_a_documented_command_converts_a_data_set_of_that_layout(
    command: str, sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(sources)
    words = shlex.split(command)[1:]
    out = tmp_path / "out"
    words[words.index("--out") + 1] = str(out)
    assert main(words) == 0
    found = questions(out)
    assert len(found) == len(COLOURS)
    assert all((out / image).is_file() for row in found for image in row["images"])
    for image in (out / "images").iterdir():
        assert image.stem == sha256_bytes(image.read_bytes())
    everything = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    assert ANSWER.encode() not in everything
    summary = json.loads((out / "conversion.json").read_text())
    assert summary["dropped"].get("text_only", 0) == DROPPED.get(words[1], 0)
    assert summary["rows"] == summary["questions"] + sum(summary["dropped"].values())


def test_the_documents_show_every_kind_of_source() -> None:
    words = " ".join(COMMANDS)
    kinds = ("hf://datasets/", "s3://", ".parquet", ".jsonl", ".json ", "shards/", "saved_data_set")
    assert all(kind in words for kind in (*kinds, "image_folder/", "--columns"))


def test_a_hub_data_set_is_read_at_its_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def load(*names: str, **options: Any) -> Any:
        asked.append((names, options))
        return onevision().to_iterable_dataset()

    monkeypatch.setattr("datasets.load_dataset", load)
    source = "hf://datasets/lmms-lab/LLaVA-OneVision-Data@abc123/ai2d(gpt4v)"
    found = convert(source, tmp_path / "out", {})
    assert found.by_source == {"squares": 3}
    names = ("lmms-lab/LLaVA-OneVision-Data", "ai2d(gpt4v)")
    assert asked == [(names, {"revision": "abc123", "split": "train", "streaming": True})]
    with pytest.raises(ConfigError, match="REVISION"):
        convert("hf://datasets/lmms-lab/LLaVA-OneVision-Data", tmp_path / "other", {})


@pytest.mark.parametrize("layout", ["image_folder", "shards"])
def test_a_prefix_on_s3_is_read_like_a_folder(layout: str, tmp_path: Path, s3_uri: str) -> None:
    from judgeloop.store import upload_folder
    from judgeloop.store.address import open_store

    folder = tmp_path / layout
    {"image_folder": write_image_folder, "shards": write_shards}[layout](folder)
    upload_folder(open_store(s3_uri), folder, "data")
    found = convert(f"{s3_uri}/data", tmp_path / "out", {})
    assert (found.questions, found.images) == (3, 3)
    assert found.by_license == {"CC0-1.0": 3}


def test_an_image_that_many_rows_name_is_fetched_once(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    store = CountingStore(tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    rows = [{"image": f"{COLOURS[n % 3]}.png", "text": f"Question {n}?"} for n in range(200)]
    drafts = (("", read_row(row, str(n), {})) for n, row in enumerate(rows))
    placed = list(Pictures(store, out).placed(drafts))
    assert len(placed) == 200
    assert sorted(store.asked) == sorted(f"{colour}.png" for colour in COLOURS)
    assert len(list(out.iterdir())) == 3


def test_the_images_of_several_rows_are_fetched_at_a_time_in_a_window(tmp_path: Path) -> None:
    together = threading.Barrier(2, timeout=20)
    drawn = placed = 0

    class Slow(CountingStore):
        def read(self, key: str) -> bytes:
            together.wait()  # breaks where images are fetched one by one
            return super().read(key)

    def drafts() -> Iterator[tuple[str, Draft]]:
        nonlocal drawn
        for number in range(3 * READ_AHEAD):
            drawn += 1
            (tmp_path / f"{number}.png").write_bytes(png(COLOURS[number % 3]))
            yield "", read_row({"image": f"{number}.png", "text": "Which?"}, str(number), {})

    out = tmp_path / "out"
    out.mkdir()
    for _, draft, images in Pictures(Slow(tmp_path), out).placed(drafts()):
        assert isinstance(draft, Draft)
        assert (draft.id, images[0].fault) == (str(placed), "")
        placed += 1
        assert drawn <= placed + READ_AHEAD
    assert placed == 3 * READ_AHEAD


def test_an_id_of_digits_stays_as_it_is_written(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    write_lines(tmp_path / "a.jsonl", [{"id": "0012", "image": "red.png", "text": "Which?"}])
    convert(str(tmp_path / "a.jsonl"), tmp_path / "out", {})
    assert questions(tmp_path / "out")[0]["id"] == "0012"


BAD: list[tuple[str, bytes | dict[str, Any], str, str]] = [
    ("a broken line", b'{"id": ', "bad_record", "JSON is malformed"),
    ("a list", b"[1, 2]", "bad_record", "a JSON list, not an object"),
    ("a line in Latin-1", b'{"image": "red.png", "text": "caf\xe9?"}', "bad_record",
     "byte 34 of the line is 0xe9, which is not UTF-8; convert the file, as `iconv"),
    ("half a surrogate pair", b'{"image": "red.png", "text": "\\ud83d?"}', "bad_record",
     "half of a surrogate pair"),
    ("half a surrogate pair in a column's name", b'{"\\ud83d": "red.png"}', "text_only",
     "it has the columns \\ud83d;"),
    ("no question", {"image": "red.png", "ask": "Which?"}, "bad_record",
     "it has the columns image, ask; --columns text=COLUMN names another"),
    ("a conversation that is a text", {"image": "red.png", "conversations": "hi"}, "bad_record",
     "the conversation is a str, not a list of turns"),
    ("an empty conversation", {"image": "red.png", "conversations": []}, "bad_record",
     "of the 0 turns of its conversation none is of a human and has a text"),
    ("only a model's turn", {"image": "red.png", "conversations": [{"from": "gpt", "value": "x"}]},
     "bad_record", "of the 1 turns of its conversation none is of a human"),
    ("more marks than images", {"image": "red.png", "text": "<image><image> Which?"}, "bad_record",
     "refers to image 2"),
    ("options that are a number", {"image": "red.png", "text": "Which?", "choices": 5},
     "bad_record", "choices is a int, not a list of texts"),
    ("options that are a text", {"image": "red.png", "text": "Which?", "choices": "a, b"},
     "bad_record", "choices is a str, not a list of texts"),
    ("no image", {"text": "Which?", "picture": "red.png"}, "text_only",
     "it has the columns text, picture; --columns images=COLUMN names another"),
    ("an image that is empty", {"text": "Which?", "image": None}, "text_only", "has no image"),
    ("an image that is not there", {"image": "none.png", "text": "Which?"}, "bad_image",
     "there is no image 'none.png' in"),
    ("an image's address", {"image": "https://host/a.png", "text": "Which?"}, "bad_image",
     "'https://host/a.png' is an address, not a path"),
    ("a path out of the folder", {"image": "../../etc/passwd", "text": "Which?"}, "bad_image",
     "it must be a relative path"),
    ("an absolute path", {"image": "/etc/passwd", "text": "Which?"}, "bad_image",
     "it must be a relative path"),
    ("a file that is no image", {"image": "a.jsonl", "text": "Which?"}, "bad_image",
     "no image of a known format"),
    ("an id seen before", {"id": "good", "image": "red.png", "text": "Which?"}, "duplicate_id",
     "a.jsonl:1 has this id"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("bad", "reason", "words"), [case[1:] for case in BAD], ids=[case[0] for case in BAD]
)
def test_a_bad_row_is_left_out_with_its_reason_and_the_good_ones_stay(
    bad: bytes | dict[str, Any], reason: str, words: str, tmp_path: Path
) -> None:
    write_pictures(tmp_path)
    good = {"id": "good", "image": "red.png", "text": "Which?"}
    line = bad if isinstance(bad, bytes) else json.dumps(bad).encode()
    last = {"id": "last", "image": "blue.png", "text": "Which?"}
    lines = [json.dumps(good).encode(), line, json.dumps(last).encode()]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    found = convert(str(tmp_path / "a.jsonl"), tmp_path / "out", {})
    assert found.dropped == {reason: 1}
    assert [row["id"] for row in questions(tmp_path / "out")] == ["good", "last"]
    kept = json.loads((tmp_path / "out/quarantine.jsonl").read_text())
    assert kept["reason"] == reason
    assert ":2" in kept["detail"]
    assert words in kept["detail"]


WHOLE: list[tuple[str, str, bytes, list[str]]] = [
    ("an array with a byte order mark", "a.json", b"\xef\xbb\xbf[{GOOD}]", ["a.json:1"]),
    ("lines that are called .json", "a.json", b"{GOOD}\n{GOOD}\n", ["a.json:1", "a.json:2"]),
    ("a table with a row in Latin-1", "a.csv",
     b"image,text\nred.png,caf\xe9?\nred.png,Which?\n", ["a.csv:2"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "data", "ids"), [case[1:] for case in WHOLE], ids=[case[0] for case in WHOLE]
)
def test_what_can_be_read_of_a_file_is_and_a_row_without_an_id_has_its_place_for_one(
    name: str, data: bytes, ids: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path)
    good = json.dumps({"image": "red.png", "text": "Which?"}).encode()
    (tmp_path / name).write_bytes(data.replace(b"{GOOD}", good))
    convert(str(tmp_path / name), tmp_path / "out", {})
    assert [row["id"] for row in questions(tmp_path / "out")] == ids
    monkeypatch.chdir(tmp_path)
    convert(name, tmp_path / "again", {})
    assert questions(tmp_path / "again") == questions(tmp_path / "out")


REFUSED: list[tuple[str, str, bytes, str]] = [
    ("an empty array", "a.json", b"[]", r"a\.json: there is no row in it"),
    ("an object over several lines", "a.json", b'{\n"data": []}', "lines; write one per line"),
    ("an array in Latin-1", "a.json", b'[{"text": "caf\xe9"}]', "not UTF-8; convert .* `iconv"),
    ("an array with what is no JSON", "a.json", b'[{"a": NaN}]', r"the array cannot.*text\. "),
    ("a table without a head", "a.csv", b"red.png,Which?\nblue.png,Which?\n", "columns=COLUMN|"
     r"it has the columns red\.png, Which\?"),
    ("a column twice", "a.csv", b"image,image,text\na,b,c\n", "two columns are called 'image'"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "data", "words"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_a_source_without_a_usable_row_is_an_error_and_its_folder_can_be_given_again(
    name: str, data: bytes, words: str, tmp_path: Path
) -> None:
    write_pictures(tmp_path)
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=words) as error:
        convert(str(tmp_path / name), tmp_path / "out", {})
    left = [path.name for path in tmp_path.glob("out/*")]
    assert left in ([], ["quarantine.jsonl"])
    assert ("quarantine.jsonl has the reason" in str(error.value)) is (
        "no usable row" in str(error.value)
    )
    write_lines(tmp_path / "good.jsonl", [{"image": "red.png", "text": "Which?"}])
    found = convert(str(tmp_path / "good.jsonl"), tmp_path / "out", {})
    assert (found.questions, found.images) == (1, 1)


def test_a_builder_s_error_says_what_to_do_about_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_image_folder(tmp_path / "folder")
    (tmp_path / "folder/metadata.jsonl").write_bytes(b'{"file_name": "red.png", "text": "\xe9"}\n')
    with pytest.raises(DataError, match="convert the file, as `iconv"):
        convert(str(tmp_path / "folder"), tmp_path / "out", {})

    def unreachable(*_: str, **__: Any) -> Any:
        raise ConnectionError("no route")

    monkeypatch.setattr("datasets.load_dataset", unreachable)
    with pytest.raises(DataError, match=r"no route.*revision, the network, and HF_TOKEN"):
        convert("hf://datasets/a/b@c", tmp_path / "out", {})


def test_an_array_that_breaks_off_keeps_the_rows_before(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    good = json.dumps({"image": "red.png", "text": "Which?"})
    (tmp_path / "a.json").write_text(f"[{good}, {good[:-4]}")
    found = convert(str(tmp_path / "a.json"), tmp_path / "out", {})
    assert (found.questions, found.dropped) == (1, {"bad_record": 1})


def test_a_file_that_is_no_parquet_is_an_error_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"a\.parquet.*check that the file is whole"):
        convert(str(tmp_path / "a.parquet"), tmp_path / "out", {})


@pytest.mark.parametrize("source", ["none", "a.zip", "."])
def test_an_unknown_source_is_refused_with_what_is_known(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="hf://datasets/"):
        convert(source, tmp_path / "out", {})


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(ConfigError, match="already exists; give a new folder"):
        convert("a.jsonl", tmp_path, {})
    assert (tmp_path / "kept.txt").read_text() == "mine"


@pytest.mark.parametrize("pair", ["text", "=a", "text="])
def test_a_mapping_is_field_and_column(
    pair: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["convert", "a.jsonl", "--out", str(tmp_path / "out"), "--columns", pair]
    assert main(words) == ConfigError.exit_code
    assert "FIELD=COLUMN" in capsys.readouterr().err


def test_a_mapping_of_an_unknown_field_or_column_is_refused() -> None:
    with pytest.raises(ConfigError, match="answer"):
        convert("a.jsonl", Path("out"), {"answer": "answer"})
    with pytest.raises(DataError, match="picture"):
        read_row({"text": "Which?", "photo": "a.png"}, "p", {"images": "picture"})


def test_a_conversation_of_parts_is_read_to_its_first_question() -> None:
    parts = [{"type": "image"}, {"type": "text", "text": "Which?"}]
    row = {"images": ["a.png"], "messages": [{"role": "system", "content": "Be kind."},
                                             {"role": "user", "content": parts}]}  # fmt: skip
    assert read_row(row, "p", {}).text == "Which?"


def test_a_mark_inside_the_text_becomes_the_image_s_number() -> None:
    row = {"image": ["a.png", "b.png"], "conversations": turns("Is <image> like <image> here?")}
    assert read_row(row, "p", {}).text == "Is [image 1] like [image 2] here?"


def test_a_row_of_bytes_needs_no_path() -> None:
    draft = read_row({"image": {"bytes": png("red"), "path": "x.png"}, "text": "Which?"}, "p", {})
    assert draft.images == (png("red"),)
    with pytest.raises(TextOnlyError):
        read_row({"image": [], "text": "Which?"}, "p", {})


def test_a_summary_counts_everything(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures")
    rows = [{"image": f"pictures/{c}.png", "text": "Which?", "licence": "CC0"} for c in COLOURS]
    write_lines(tmp_path / "a.jsonl", [*rows, {"text": "Why?"}])
    found = convert(str(tmp_path / "a.jsonl"), tmp_path / "out", {})
    assert found == Conversion(
        source=str(tmp_path / "a.jsonl"),
        rows=4,
        questions=3,
        dropped={"text_only": 1},
        images=3,
        by_source={"": 3},
        by_license={"CC0": 3},
    )
