"""Small data sets in the layouts that others use, made on the spot."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from pathlib import Path
from typing import Any

from PIL import Image

ANSWER = "an answer that nobody may read"
COLOURS = ("red", "lime", "blue")


def png(colour: str) -> bytes:
    """Returns a small picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(buffer, "PNG")
    return buffer.getvalue()


def turns(question: str) -> list[dict[str, str]]:
    """Returns a conversation of two questions."""
    return [
        {"from": "human", "value": question},
        {"from": "gpt", "value": ANSWER},
        {"from": "human", "value": "And what else?"},
        {"from": "gpt", "value": ANSWER},
    ]


def onevision_rows() -> list[dict[str, Any]]:
    """Returns rows as LLaVA-OneVision's: three with a picture, one of text alone."""
    rows: list[dict[str, Any]] = [
        {
            "id": f"{number:04d}",
            "image": {"bytes": png(colour), "path": None},
            "conversations": turns(f"<image>\nWhich colour is square {number}?"),
            "data_source": "squares",
        }
        for number, colour in enumerate(COLOURS)
    ]
    return [*rows, {**rows[0], "id": "text", "image": None, "conversations": turns("Why?")}]


def onevision() -> Any:
    """Returns a data set with LLaVA-OneVision's features."""
    from datasets import Dataset, Features, Image, Value

    features = Features(
        {
            "id": Value("string"),
            "image": Image(),
            "conversations": [{"from": Value("string"), "value": Value("string")}],
            "data_source": Value("string"),
        }
    )
    return Dataset.from_list(onevision_rows(), features=features)


def write_pictures(folder: Path) -> None:
    """Writes the pictures of the other writers' rows."""
    folder.mkdir(parents=True, exist_ok=True)
    for colour in COLOURS:
        (folder / f"{colour}.png").write_bytes(png(colour))


def write_lines(file: Path, rows: list[dict[str, Any]]) -> None:
    """Writes rows as JSONL."""
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def llava_rows() -> list[dict[str, Any]]:
    """Returns rows as LLaVA's instruction files have them, one of them with two pictures."""
    asked = "<image>\nWhich is it?"
    rows: list[dict[str, Any]] = [
        {"id": f"{n:04d}", "image": f"pictures/{colour}.png", "conversations": turns(asked)}
        for n, colour in enumerate(COLOURS[:2])
    ]
    two = ["pictures/red.png", "pictures/blue.png"]
    both = {"id": "two", "image": two, "conversations": turns("<image><image>\nWhich is red?")}
    return [*rows, both, {"id": "text", "conversations": turns("Why?")}]


def write_image_folder(folder: Path) -> None:
    """Writes an image folder with a metadata file."""
    write_pictures(folder)
    rows = [
        {"file_name": f"{colour}.png", "text": "Which colour is it?", "license": "CC0-1.0"}
        for colour in COLOURS
    ]
    write_lines(folder / "metadata.jsonl", rows)


def write_shards(folder: Path) -> None:
    """Writes two WebDataset tars: a picture and a JSON file a row."""
    folder.mkdir(parents=True)
    for number, colours in enumerate((COLOURS[:2], COLOURS[2:])):
        with tarfile.open(folder / f"{number:05d}.tar", "w") as tar:
            for colour in colours:
                asked = json.dumps({"question": "Which colour?", "license": "CC0-1.0"}).encode()
                for name, data in ((f"{colour}.png", png(colour)), (f"{colour}.json", asked)):
                    member = tarfile.TarInfo(name)
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))


def write_vqa(file: Path) -> None:
    """Writes rows whose columns have names of their own, answers among them."""
    write_pictures(file.parent / "pictures")
    rows = [
        {
            "qid": n,
            "picture": f"pictures/{colour}.png",
            "query_text": "Is it red?\n(A) yes\n(B) no",
            "type": "multiple_choice",
            "options": ["yes", "no"],
            "answer": ANSWER,
            "terms": "CC-BY-4.0",
        }
        for n, colour in enumerate(COLOURS)
    ]
    write_lines(file, rows)


def write_table(file: Path) -> None:
    """Writes a CSV file of rows, answers among them."""
    write_pictures(file.parent / "pictures")
    with file.open("w", newline="") as opened:
        table = csv.writer(opened)
        table.writerow(["id", "image", "question", "answer"])
        for number, colour in enumerate(COLOURS):
            table.writerow(
                [f"{number:04d}", f"pictures/{colour}.png", "Is it red,\nor not?", ANSWER]
            )


def write_all(folder: Path) -> None:
    """Writes each of the sources that docs/data.md converts, under the names used there."""
    onevision().save_to_disk(str(folder / "saved_data_set"))
    onevision().to_parquet(str(folder / "rows.parquet"))
    write_pictures(folder / "pictures")
    write_lines(folder / "llava.jsonl", llava_rows())
    (folder / "llava.json").write_text(json.dumps(llava_rows()))
    write_image_folder(folder / "image_folder")
    write_shards(folder / "shards")
    write_vqa(folder / "vqa.jsonl")
    write_table(folder / "table.csv")
