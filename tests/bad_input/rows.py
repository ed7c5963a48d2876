"""Rows of a questions file and of a gold file that cannot be used."""

from pathlib import Path
from typing import Any

from judgeloop.runtime.stages.gold import load_gold
from judgeloop.schema.config import Config
from judgeloop.schema.records import Manifest
from judgeloop.store import FolderStore
from judgeloop.store.images import ImageLibrary
from tests.bad_input.case import (
    TOO_LONG,
    Case,
    Outcome,
    Row,
    beside_good_rows,
    question,
    staged,
    write_rows,
)

QUESTIONS, GOLD = "Rows of questions", "Rows of gold pairs"


def bad(what: str, row: Row, reason: str, words: str) -> Case:
    return Case(QUESTIONS, what, beside_good_rows(row), words, reason=reason)


def gold(number: int, **changes: Any) -> dict[str, Any]:
    answers = {"chosen": "a red circle", "rejected": "a blue circle"}
    asked = {"question": "caption", "kind": "caption", "category": "colour"}
    return {"id": f"q{number}", "images": [f"{number}.png"], **asked, **answers, **changes}


def bad_gold(what: str, row: Row, reason: str, words: str) -> Case:
    def work(config: Config, store: FolderStore) -> Manifest:
        return load_gold(config, store, ImageLibrary(store, config.data.max_pixels))

    def run(folder: Path) -> Outcome:
        write_rows(folder, [gold(0), row, gold(2)])
        return staged(work, "evaluation.gold={folder}/questions.jsonl")(folder)

    return Case(GOLD, what, run, words, reason=reason)


ROWS = [
    bad("a broken line", b'{"id": "q1", "images": [', "bad_record", "JSON is malformed|truncated"),
    bad("a line in Latin-1", '{"id": "é"}'.encode("latin-1"), "bad_record",
        "byte 9 of the line is 0xe9, which is not UTF-8; convert the file, as `iconv"),
    bad("an unknown kind of question", question(1, kind="essay"), "bad_record", "'essay'.*yes_no"),
    bad("further fields of 30,000 characters", question(1, answer="3" * 30_000), "bad_record",
        "further fields have 300.. bytes, the limit is 20000"),
    bad("a further field that is nested 100,000 deep",
        b'{"id": "q1", "images": ["1.png"], "text": "a", "x": ' + b"[" * TOO_LONG + b"}",
        "bad_record", "nested too deep"),
    bad("a missing field", {"id": "q1", "images": ["1.png"]}, "bad_record", "`text`"),
    bad("a value of the wrong type", question(1, images="1.png"), "bad_record", r"\$\.images"),
    bad("NaN", b'{"id": "q1", "images": ["1.png"], "text": NaN}', "bad_record", "malformed"),
    bad("a negative number in place of an id", question(1, id=-1), "bad_record", r"\$\.id"),
    bad("a list in place of a row", b"[1, 2]", "bad_record", "got `array`"),
    bad("JSON that is nested 100,000 deep", b'{"id": ' + b"[" * TOO_LONG, "bad_record",
        "nested too deep"),
    bad("an id that was there before", question(1, id="q0"), "duplicate_id", "an earlier row"),
    bad("an empty id", question(1, id=""), "empty_id", "questions.jsonl:2"),
    bad("an empty question", question(1, text=" \n"), "bad_text", "text is empty"),
    bad(
        "a question of 100,000 characters", question(1, text="x" * TOO_LONG), "bad_text",
        "100000 characters, the limit is 20000",
    ),
    bad(
        "a multiple choice with one option",
        question(1, kind="multiple_choice", choices=["red"]), "bad_text", "1 options, 2 to 26",
    ),
    bad(
        "an empty option", question(1, kind="multiple_choice", choices=["red", ""]), "bad_text",
        r"choices\[1\] is empty",
    ),
    bad("a key that occurs twice", b'{"id": "q1", "images": ["1.png"], "text": "a", "text": "b"}',
        "bad_record", "the key `text` occurs twice"),
    bad("more marks of images than images", question(1, text="<image> <image> Which is larger?"),
        "bad_text", "refers to image 2.* has 1 image"),
    bad("nothing but a mark of an image", question(1, text="<image>\n"), "bad_text",
        "text is empty"),
    bad_gold("answers that differ in case and white space alone",
             gold(1, chosen="Red", rejected="red\n"), "bad_text", "same text, but for white space"),
    bad_gold("an earlier pair under another id", gold(0, id="q1"), "duplicate_pair",
             "questions.jsonl:1 is the same pair"),
    bad_gold("an empty answer", gold(1, rejected=""), "bad_text", "rejected is empty"),
    bad_gold(
        "an answer of 100,000 characters", gold(1, chosen="x" * TOO_LONG), "bad_text",
        "chosen has 100000 characters",
    ),
    bad_gold("twice the same answer", gold(1, rejected="a red circle"), "bad_text", "same text"),
    bad_gold("an id that was there before", gold(1, id="q0"), "duplicate_id", "questions.jsonl:2"),
    bad_gold("an empty category", gold(1, category=""), "bad_text", "category is empty"),
    bad_gold("an image that is missing", gold(1, images=["none.png"]), "bad_image",
        "there is no image 'none.png' in"),
]  # fmt: skip
