"""Writes the world's data sets: questions without answers for the loop, gold pairs for evaluation.

Both are folders of one JSONL file and PNG images; the same seed writes the same bytes.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import msgspec

from judgeloop.tiny import formats
from judgeloop.tiny.mistakes import spoil, wrong_answer
from judgeloop.tiny.questions import CAPTION, TOPICS, ask, caption, gold_answer
from judgeloop.tiny.render import png
from judgeloop.tiny.scenes import Scene, Split, sample_from

SOURCE = "tiny-world"
OPEN_SHARE = 0.5
"""Share of captions, among questions and among gold pairs."""


def write_questions(folder: Path, count: int, seed: int) -> Path:
    """Writes questions about scenes of the loop's split, one scene a question, without any answer.

    Args:
        folder: Gets `questions.jsonl` and `images/`.
        count: Questions; every second one is a caption, the others go through the closed topics.
        seed: Decides everything.

    Returns:
        The path of `questions.jsonl`. A line has id, images (relative paths), text, kind, choices
        (null but for multiple choice) and source.
    """
    rng = random.Random(f"questions/{seed}")
    rows = []
    for number in range(count):
        scene = sample_from(Split.LOOP, rng)
        asked = ask(scene, _topic(number), rng)
        name = f"q{number:06d}"
        rows.append(
            {
                "id": name,
                "images": [_write_image(folder, name, scene)],
                "text": asked.text,
                "kind": asked.kind,
                "choices": asked.choices,
                "source": SOURCE,
            }
        )
    return _write_lines(folder / "questions.jsonl", rows)


def write_gold(folder: Path, count: int, seed: int) -> Path:
    """Writes preference pairs about scenes of the evaluation split.

    Half are captions, where the rejected answer is the right one with one planted mistake; half are
    closed questions with the right answer and a plausible wrong one.

    Args:
        folder: Gets `gold.jsonl` and `images/`.
        count: Pairs.
        seed: Decides everything.

    Returns:
        The path of `gold.jsonl`. A line has id, images (relative paths), question, kind, category
        (`caption` or `closed/<topic>`), chosen and rejected.
    """
    rng = random.Random(f"gold/{seed}")
    rows = []
    for number in range(count):
        scene = sample_from(Split.EVALUATION, rng)
        topic = _topic(number)
        asked = ask(scene, topic, rng)
        right = gold_answer(scene, asked)
        if asked == CAPTION:
            wrong = caption(spoil(scene.things, rng.choice(formats.ERRORS), rng))
        else:
            wrong = wrong_answer(scene, asked, right, rng)
        name = f"g{number:06d}"
        rows.append(
            {
                "id": name,
                "images": [_write_image(folder, name, scene)],
                "question": asked.text,
                "kind": asked.kind,
                "category": "caption" if asked == CAPTION else f"closed/{topic}",
                "chosen": right,
                "rejected": wrong,
            }
        )
    return _write_lines(folder / "gold.jsonl", rows)


def _topic(number: int) -> str:
    """Every second question is a caption; the closed topics take turns."""
    if int((number + 1) * OPEN_SHARE) > int(number * OPEN_SHARE):
        return "caption"
    return TOPICS[number // 2 % len(TOPICS)]


def _write_image(folder: Path, name: str, scene: Scene) -> str:
    path = folder / "images" / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(scene))
    return f"images/{path.name}"


def _write_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    encode = msgspec.json.Encoder(order="deterministic").encode
    path.write_bytes(b"".join(encode(row) + b"\n" for row in rows))
    return path
