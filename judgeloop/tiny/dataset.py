"""Writes the world's data sets: questions without answers for the loop, gold pairs for evaluation.

Both are folders of one JSONL file and PNG images; the same seed writes the same bytes.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from judgeloop.tiny import formats
from judgeloop.tiny.mistakes import plant_mistake, wrong_answer
from judgeloop.tiny.questions import (
    CAPTION,
    TOPICS,
    SceneQuestion,
    caption,
    gold_answer,
    make_question,
)
from judgeloop.tiny.render import png
from judgeloop.tiny.scenes import Scene, Split, sample_from

SOURCE = "tiny-world"
OPEN_SHARE = 0.5
"""Share of captions, among questions and among gold pairs."""


def write_questions(folder: Path, count: int, seed: int) -> Path:
    """Writes questions about scenes of the loop's split, one scene each, without answers.

    Args:
        folder: Target of `questions.jsonl` and `images/`.
        count: Questions; every second one is a caption, the others go through the closed topics.
        seed: Determines all random choices.

    Returns:
        The path of `questions.jsonl`. A line has id, images (relative paths), text, kind, choices
        (null except for multiple choice) and source.
    """
    rows = [
        {
            "id": name,
            "images": [write_image(folder, name, scene)],
            "text": question.text,
            "kind": question.kind,
            "choices": question.choices,
            "source": SOURCE,
        }
        for name, scene, question in draw_questions(count, seed)
    ]
    return write_lines(folder / "questions.jsonl", rows)


def draw_questions(count: int, seed: int) -> Iterator[tuple[str, Scene, SceneQuestion]]:
    """Draws each question's id, scene and text; no answer.

    The scenes are for rendering, and for studies that state how they used them.
    """
    rng = random.Random(f"questions/{seed}")
    for number in range(count):
        scene = sample_from(Split.LOOP, rng)
        yield f"q{number:06d}", scene, make_question(scene, _topic(number), rng)


def write_gold(folder: Path, count: int, seed: int) -> Path:
    """Writes preference pairs about scenes of the evaluation split.

    Half are captions, where the rejected answer is the right one with one planted mistake; half are
    closed questions with the right answer and a plausible wrong one.

    Args:
        folder: Target of `gold.jsonl` and `images/`.
        count: Pairs.
        seed: Determines all random choices.

    Returns:
        The path of `gold.jsonl`. A line has id, images (relative paths), question, kind, category
        (`caption` or `closed/<topic>`), chosen and rejected.
    """
    rng = random.Random(f"gold/{seed}")
    rows = []
    for number in range(count):
        scene = sample_from(Split.EVALUATION, rng)
        topic = _topic(number)
        question = make_question(scene, topic, rng)
        right = gold_answer(scene, question)
        if question == CAPTION:
            wrong = caption(plant_mistake(scene.objects, rng.choice(formats.ERRORS), rng))
        else:
            wrong = wrong_answer(scene, question, right, rng)
        name = f"g{number:06d}"
        rows.append(
            {
                "id": name,
                "images": [write_image(folder, name, scene)],
                "question": question.text,
                "kind": question.kind,
                "category": "caption" if question == CAPTION else f"closed/{topic}",
                "chosen": right,
                "rejected": wrong,
            }
        )
    return write_lines(folder / "gold.jsonl", rows)


def _topic(number: int) -> str:
    """Every second question is a caption; the closed topics take turns."""
    if int((number + 1) * OPEN_SHARE) > int(number * OPEN_SHARE):
        return "caption"
    return TOPICS[number // 2 % len(TOPICS)]


def write_image(folder: Path, name: str, scene: Scene) -> str:
    """Draws a scene to `images/<name>.png`; returns that path, relative to the folder."""
    path = folder / "images" / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(scene))
    return f"images/{path.name}"


def write_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Writes one JSON object per line, keys in order; returns the path."""
    encode = msgspec.json.Encoder(order="deterministic").encode
    path.write_bytes(b"".join(encode(row) + b"\n" for row in rows))
    return path
