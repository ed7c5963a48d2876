"""Rows and outputs in the benchmarks' exact layouts, made here; and the real ones, where they are.

The benchmarks' own rows are no part of the project. Tests that check against them look for them in
`../shared/data` and are skipped, with the reason, where they are missing.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY

SHARED = REPOSITORY.parent / "shared" / "data"
Row = Mapping[str, Any]


def shared(name: str) -> Path:
    """The path of real data below `../shared/data`; skips the test without it."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"needs ../shared/data/{name}, the benchmark's own rows, which are not here")
    return path


def write_lines(path: Path, rows: Iterable[Row]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# VL-RewardBench ---------------------------------------------------------------------------------


def vl_row(number: int, prefix: str = "wildvision-battle-", ranking: Sequence[int] = (0, 1)) -> Row:
    """A row of `data.jsonl`; responses are of the same length in all rows."""
    return {
        "id": f"{prefix}{number}",
        "image_path": f"images/{number}.png",
        "query": f"<image>\nWhat is on picture {number:04d}?",
        "response": [f"A tall red bus {number:04d}.", f"A tall red car {number:04d}."],
        "human_ranking": list(ranking),
        "models": ["one", "two"],
        "judge": "made",
        "rationale": None,
        "query_source": "made",
    }


def vl_output(row: Row, text: str | None, swapped: int = 0, **changed: Any) -> Row:
    """A line of the official inference script."""
    named = ("id", "query", "response", "models", "judge", "rationale", "query_source")
    meta = {"random_number": swapped, "filter_choice": text, "flag_status": "doesntMatch"}
    return {name: row[name] for name in named} | {
        "ranking": row["human_ranking"], "meta": meta, **changed,
    }  # fmt: skip


def better(number: int) -> str:
    return f"1. Accuracy: compared.\n**Overall Judgment:** Answer {number} is better."


def vl_right(row: Row, swapped: int) -> int:
    """The number that the better response is shown under."""
    return 1 + (row["human_ranking"].index(0) ^ swapped)


# Multimodal RewardBench ---------------------------------------------------------------------------


def mm_row(item_id: str, category: str, first: bool = True) -> Row:
    return {
        "ID": item_id, "Category": category, "Text": f"Describe {item_id}.",
        "Image": f"images/{item_id}.png", "Output1": "A red bus.", "Output2": "A red car.",
        "Better": "Output1" if first else "Output2",
    }  # fmt: skip


def mm_output(row: Row, text: str, **changed: Any) -> Row:
    label = "A" if row["Better"] == "Output1" else "B"
    meta = {"Category": row["Category"]}
    return {"ID": row["ID"], "Label": label, "output": text, "Meta": meta} | changed


# MM-RLHF-RewardBench ------------------------------------------------------------------------------


def rlhf_row(item_id: str, number: int, path: str = "mcq/1.png") -> Row:
    kind = "video" if path.startswith("video") else "image"
    return {
        "id": item_id, kind: path, "prompt": f"What is on {item_id}?",
        "chosen": f"A bus {number}.", "rejected": f"A car {number}.",
    }  # fmt: skip


def rlhf_output(row: Row, right: object) -> Row:
    said = f"<think>compared</think><answer>{1 if right else 2}</answer>"
    return {**row, "rewards": [1, 0] if right else [0, 1], "critic": said}
