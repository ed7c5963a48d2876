"""A copy of the tree as a fresh clone has it, with a smaller demo, and a newcomer's own files."""

import json
import re
import shutil
import sys
from pathlib import Path

from PIL import Image

from tests.conftest import REPOSITORY
from tests.documents.shell import blocks

COPIED = ("judgeloop", "pipelines", "components", "k8s", "images", "docs", "requirements")
SMALLER = {
    "iterations": "1", "partitions": "1", "shard_size": "80", "max_steps": "6",
    "batch_size": "16", "micro_batch_size": "16", "min_examples": "2", "per_iteration": "null",
}  # fmt: skip
"""Of the demo's configuration."""
COUNTS = ("160", "40")
"""Questions and gold pairs, in their order in the file."""
IMAGES = 160


def smaller(preset: str) -> str:
    """Returns the demo's configuration with fewer questions and steps."""
    counts = iter(COUNTS)
    lines = []
    for line in preset.splitlines():
        found = re.match(r"( +)(\w+): +[^\s#]+", line)
        key = found[2] if found else ""
        value = next(counts) if key == "count" else SMALLER.get(key)
        if found and value is not None and not (key == "batch_size" and "together" in line):
            line = f"{found[1]}{key}: {value}"
        lines.append(line)
    return "\n".join(lines) + "\n"


def clone(folder: Path) -> Path:
    """Makes the copy; `.venv` calls the interpreter of the tests, and nothing is installed."""
    for name in COPIED:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / name, folder / name, ignore=ignored)
    # Copies, older than `.installed`: `make` must install nothing into the tests' own environment.
    for name in ("Makefile", "pyproject.toml", "README.md"):
        shutil.copy(REPOSITORY / name, folder / name)
    preset = folder / "pipelines/configs/tiny.yaml"
    preset.write_text(smaller(preset.read_text()))
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, module in (("python", ""), ("judgeloop", " -m judgeloop.cli")):
        script = f'#!/bin/sh\nPYTHONPATH={folder} exec {sys.executable}{module} "$@"\n'
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    (folder / ".venv" / ".installed").write_text("cpu\n")
    return folder


def own_files(folder: Path) -> None:
    """Writes what the pages call `scene.png`, `questions.jsonl`, `gold.jsonl` and so on."""
    for number in range(IMAGES):
        shade = (number, 255 - number, 7 * number % 256)
        Image.new("RGB", (48, 48), shade).save(folder / f"{number}.png")
    shutil.copy(folder / "0.png", folder / "scene.png")
    (configuration,) = blocks("README.md", "extends:")
    (folder / "my.yaml").write_text(configuration)
    texts = ("Describe the image.", "What colour is it?")
    questions: list[dict[str, object]] = [
        {"id": f"q{number}", "images": [f"{number % IMAGES}.png"], "text": texts[number % 2]}
        for number in range(2 * IMAGES)
    ]
    write_rows(folder / "questions.jsonl", questions)
    asked = {"question": "caption", "images": ["scene.png"], "kind": "caption"}
    write_rows(
        folder / "gold.jsonl",
        [
            {"id": f"g{number}", **asked, "category": "colour", "chosen": f"red {number}",
             "rejected": f"blue {number}"} for number in range(80)
        ],
    )  # fmt: skip
    (pair,) = blocks("docs/judge.md", '{"id": "1"')
    (folder / "pairs.jsonl").write_text(pair)


def write_rows(file: Path, rows: list[dict[str, object]]) -> None:
    """Writes one JSON object a line."""
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
