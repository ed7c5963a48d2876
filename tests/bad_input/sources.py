"""Rows and files of other layouts that `judgeloop convert` cannot use, or not as they are."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from judgeloop.data.convert.conversion import QUARANTINE, QUESTIONS, convert
from judgeloop.schema.errors import JudgeLoopError
from judgeloop.schema.records import Dropped
from tests.bad_input.case import Case, Outcome, failed, plain, png

GROUP = "Data sets to convert"
HUMAN = [{"from": "human", "value": "<image>\nHow many?"}, {"from": "gpt", "value": "3"}]


def llava(number: int, **changes: Any) -> dict[str, Any]:
    """A row as LLaVA's instruction files have them, but for the changes."""
    row = {"id": f"q{number}", "image": f"{number}.png", "conversations": HUMAN, **changes}
    return {name: value for name, value in row.items() if value is not ...}


def converted(name: str, data: bytes, **columns: str) -> Callable[[Path], Outcome]:
    """Converts a file with the images `0.png`, `1.png` and `2.png` beside it."""

    def run(folder: Path) -> Outcome:
        for number in range(3):
            (folder / f"{number}.png").write_bytes(png(number))
        (folder / name).write_bytes(data)
        try:
            found = convert(str(folder / name), folder / "out", columns)
        except JudgeLoopError as error:
            return failed(error, folder)
        details = [
            msgspec.json.decode(line, type=Dropped).detail
            for line in (folder / "out" / QUARANTINE).read_bytes().splitlines()
        ]
        rows = (folder / "out" / QUESTIONS).read_text().splitlines()
        counts = {f"dropped/{reason}": count for reason, count in found.dropped.items()}
        ids = tuple(sorted(json.loads(row)["id"] for row in rows))
        return Outcome(0, plain(" ".join(details), folder), counts, ids)

    return run


def lines(*rows: dict[str, Any] | bytes) -> bytes:
    texts = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    return b"\n".join(texts) + b"\n"


def bad(what: str, row: dict[str, Any] | bytes, reason: str, words: str) -> Case:
    data = lines(llava(0), row, llava(2))
    return Case(GROUP, what, converted("rows.jsonl", data), words, reason=reason)


def refused(what: str, name: str, data: bytes, words: str, **columns: str) -> Case:
    return Case(GROUP, what, converted(name, data, **columns), words, code=3)


def whole(what: str, name: str, data: bytes) -> Case:
    return Case(GROUP, what, converted(name, data), "", accepted=True)


GOOD_LINES = lines(*(llava(number) for number in range(3)))
GOOD_ARRAY = json.dumps([llava(number) for number in range(3)]).encode()
SOURCES = [
    bad("an empty conversation", llava(1, conversations=[]), "bad_record",
        "of the 0 turns of its conversation none is of a human"),
    bad("a conversation of a model alone", llava(1, conversations=HUMAN[1:]), "bad_record",
        "of the 1 turns of its conversation none is of a human"),
    bad("two marks and one image", llava(1, conversations=[
        {"from": "human", "value": "<image><image> Which?"}]), "bad_record", "refers to image 2"),
    bad("a row of text alone", llava(1, image=...), "text_only", "the row has no image"),
    bad("an image's file that is missing", llava(1, image="none.png"), "bad_image",
        "there is no image 'none.png' in /data"),
    bad("one of two images that is missing", llava(1, image=["1.png", "none.png"]), "bad_image",
        "there is no image 'none.png' in /data"),
    bad("options that are a number", llava(1, choices=4), "bad_record", "not a list of texts"),
    bad("a row in Latin-1", '{"id": "q1", "text": "é"}'.encode("latin-1"), "bad_record",
        "not UTF-8; convert the file"),
    refused("columns that are mapped to others' names", "rows.jsonl", GOOD_LINES,
            "no column `picture`, which is mapped to `images`; it has id, image", images="picture"),
    refused("columns with names of their own", "rows.jsonl",
            lines({"nr": 1, "picture": "1.png", "asked": "How many?"}),
            "it has the columns nr, picture, asked; --columns images=COLUMN names another"),
    refused("a table in Latin-1", "rows.csv", "image,text\n1.png,é?\n".encode("latin-1"),
            "not UTF-8; convert the file"),
    refused("an empty array", "rows.json", b"[]", "there is no row in it"),
    whole("an array with a byte order mark", "rows.json", b"\xef\xbb\xbf" + GOOD_ARRAY),
    whole("a row a line in a file that is called .json", "rows.json", GOOD_LINES),
]  # fmt: skip
