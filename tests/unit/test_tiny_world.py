"""The tiny world: what it promises about determinism, splits, answers and mistakes."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from judgeloop.schema.records import Kind
from judgeloop.tiny import curriculum, formats
from judgeloop.tiny.dataset import write_gold, write_questions
from judgeloop.tiny.mistakes import differences, parse, plant_mistake
from judgeloop.tiny.questions import TOPICS, caption, gold_answer, make_question
from judgeloop.tiny.render import draw, png
from judgeloop.tiny.scenes import COLOURS, PLACES, SHAPES, Scene, SceneObject, Split, sample_from


def scenes(split: Split, count: int, seed: int = 0) -> list[Scene]:
    rng = random.Random(seed)
    return [sample_from(split, rng) for _ in range(count)]


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("write", [write_questions, write_gold])
def test_the_same_seed_writes_the_same_bytes_and_another_seed_does_not(tmp_path, write):
    for name, seed in (("first", 3), ("again", 3), ("other", 4)):
        write(tmp_path / name, 40, seed)
    assert tree(tmp_path / "first") == tree(tmp_path / "again")
    assert tree(tmp_path / "first") != tree(tmp_path / "other")


def test_no_layout_is_in_two_splits():
    found = {split: {s.layout for s in scenes(split, 3000)} for split in Split}
    assert sum(map(len, found.values())) == len(set().union(*found.values()))


def test_the_splits_hold_about_60_30_and_10_percent_of_the_layouts():
    every = {
        Scene((SceneObject(cell, colour, shape), SceneObject(8, "red", "cross")), 0)
        for cell in range(8)
        for colour in COLOURS
        for shape in SHAPES
    } | {Scene((SceneObject(cell, c, s),), 0) for cell in range(9) for c in COLOURS for s in SHAPES}
    shares = Counter(scene.split for scene in every)
    assert shares[Split.PRETRAINING] / len(every) == pytest.approx(0.6, abs=0.08)
    assert shares[Split.LOOP] / len(every) == pytest.approx(0.3, abs=0.08)
    assert shares[Split.EVALUATION] / len(every) == pytest.approx(0.1, abs=0.05)


def test_questions_carry_no_answer(tmp_path):
    rows = lines(write_questions(tmp_path, 120, 0))
    allowed = {"id", "images", "text", "kind", "choices", "source"}
    assert all(set(row) == allowed for row in rows)
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert {p.suffix for p in files} == {".jsonl", ".png"}
    assert all(row["text"] == formats.CAPTION for row in rows if row["kind"] == Kind.CAPTION)
    assert sum(row["kind"] == Kind.CAPTION for row in rows) == 60


def test_every_question_has_its_own_picture(tmp_path):
    rows = lines(write_questions(tmp_path, 60, 0))
    pictures = {(tmp_path / image).read_bytes() for row in rows for image in row["images"]}
    assert len(pictures) == len({row["id"] for row in rows}) == 60


def test_a_choice_question_lists_its_options_in_its_text_and_in_its_choices(tmp_path):
    rows = [r for r in lines(write_questions(tmp_path, 120, 0)) if r["kind"] == "multiple_choice"]
    assert len(rows) == 10
    for row in rows:
        lettered = row["text"].split(": ")[1].split()
        assert lettered[::2] == ["a", "b", "c"]
        assert lettered[1::2] == row["choices"]


def test_a_gold_caption_is_right_and_its_rejected_copy_has_one_mistake(tmp_path):
    rows = lines(write_gold(tmp_path, 80, 5))
    kinds = Counter()
    for row in rows:
        image = (tmp_path / row["images"][0]).read_bytes()
        if row["category"] == "caption":
            mistakes = differences(row["chosen"], row["rejected"])
            assert mistakes
            kinds.update({error.split()[-1] for error in mistakes})
            objects = [
                SceneObject(PLACES.index(place), colour, shape)
                for colour, shape, place in parse(row["chosen"])
            ]
            assert objects_seen(image) == {obj.cell: obj for obj in objects}
    assert set(kinds) == {"colour", "shape", "place", "count"}
    assert sum(kinds.values()) == 40


def test_a_gold_closed_answer_is_right_by_the_pixels_and_the_rejected_one_is_wrong(tmp_path):
    rows = [r for r in lines(write_gold(tmp_path, 240, 6)) if r["category"] != "caption"]
    assert {r["category"] for r in rows} == {f"closed/{topic}" for topic in TOPICS}
    for row in rows:
        objects = list(objects_seen((tmp_path / row["images"][0]).read_bytes()).values())
        assert holds(objects, row["question"], row["chosen"]), row
        assert not holds(objects, row["question"], row["rejected"]), row


def holds(objects: list[SceneObject], question: str, answer: str) -> bool:
    """Answers a question by reading its text: independent of `gold_answer`."""
    if question.startswith("count "):
        word = question.split()[1]
        return answer == str(sum(word == "all" or word in t.describe().split() for t in objects))
    subject = question.split(" of ")[1].split(":")[0].split()
    (about,) = [t for t in objects if all(word in t.describe().split() for word in subject)]
    return answer in about.describe().split() and answer not in subject


def objects_seen(data: bytes) -> dict[int, SceneObject]:
    """Reads a picture back, cell by cell, from its pixels alone."""
    import io

    from PIL import Image

    values = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    paper = values[0, 0] if (values[0, 0] > 220).all() else values[-1, -1]
    found = {}
    for cell in range(9):
        y, x = cell // 3 * 16, cell % 3 * 16
        part = values[y : y + 16, x : x + 16]
        ink = (part != paper).any(axis=2)
        if ink.any():
            found[cell] = SceneObject(cell, colour_of(part[ink].mean(axis=0)), shape_of(ink))
    return found


def colour_of(rgb: np.ndarray) -> str:
    r, g, b = rgb
    if max(rgb) - min(rgb) < 45:
        return "grey"
    if r > 160 and g > 140:
        return "yellow"
    if r > b + 60 and r > g + 60:
        return "red"
    if g > r and g > b:
        return "green"
    return "purple" if r > g + 50 else "blue"


def shape_of(ink: np.ndarray) -> str:
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    box = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    if box.all():
        return "square"
    if box[-1].all():
        return "triangle"
    return "circle" if box.mean() > 0.68 else "cross"


@pytest.mark.parametrize("error", formats.ERRORS)
def test_a_planted_mistake_is_one_mistake_of_the_kind_asked_for(error):
    rng = random.Random(error)
    for scene in scenes(Split.LOOP, 200):
        wrong = plant_mistake(scene.objects, error, rng)
        made = differences(scene.layout, caption(wrong))
        assert error in made or (error.endswith(" place") and made[0].endswith(" place"))
        assert [t.cell for t in wrong] == sorted({t.cell for t in wrong})
        assert len({(t.colour, t.shape) for t in wrong}) == len(wrong)


def test_two_mistakes_none_and_broken_captions_are_not_one_mistake():
    original = "red circle north, blue cross west"
    assert differences(original, "red circle north, blue square west") == ("last shape",)
    assert differences("red circle north", "red circle east") == ("first place", "last place")
    for copy in (
        original,
        "blue circle north, red cross west",
        "blue square north, blue cross west",
        "red circle north, blue cross",
        "",
    ):
        assert differences(original, copy) == ()


def test_two_pictures_of_one_layout_differ_and_one_scene_has_one_picture():
    scene = scenes(Split.LOOP, 1)[0]
    twin = Scene(scene.objects, scene.render_seed + 1)
    assert png(scene) == png(scene)
    assert png(scene) != png(twin)
    assert draw(scene).size == (48, 48)


def test_every_question_has_exactly_one_answer_and_it_is_among_the_choices():
    rng = random.Random(1)
    for scene in scenes(Split.LOOP, 300):
        for topic in TOPICS:
            asked = make_question(scene, topic, rng)
            answer = gold_answer(scene, asked)
            assert holds(list(scene.objects), asked.text, answer)
            assert asked.choices is None or answer in asked.choices


def test_a_pretraining_verdict_says_nothing_about_which_answer_is_right():
    rng = random.Random(2)
    firsts = {"right first": [], "right second": [], "both wrong": []}
    for scene in scenes(Split.PRETRAINING, 2500):
        asked = make_question(scene, "colour", rng)
        right = gold_answer(scene, asked)
        turn = curriculum.judge_turn(scene, asked, right, rng)
        first, second = turn.prompt.split(" A ")[1].split(" B ")
        case = {first: "right first", second: "right second"}.get(right, "both wrong")
        firsts[case].append(turn.answer == formats.seen(right, "A"))
    for verdicts in firsts.values():
        assert np.mean(verdicts) == pytest.approx(curriculum.FIRST_BIAS, abs=0.06)
    assert len(firsts["both wrong"]) == pytest.approx(1250, abs=120)


def test_pretraining_draws_scenes_of_its_own_split_alone(monkeypatch):
    asked_for = set()

    def recorded(split: Split, rng: random.Random) -> Scene:
        asked_for.add(split)
        return sample_from(split, rng)

    monkeypatch.setattr(curriculum, "sample_from", recorded)
    rng = random.Random(0)
    for _ in range(200):
        curriculum.text_turn(rng)
    assert asked_for == {Split.PRETRAINING}
