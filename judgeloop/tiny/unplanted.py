"""Gold pairs with mistakes that synthesis never plants: they measure generalization.

Synthesis asks for one wrong attribute of the first or last object, or for another count, in scenes
of one or two objects. Here two objects exchange their colors, and scenes have three objects, which
neither pretraining nor the loop has seen.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from judgeloop.tiny import formats
from judgeloop.tiny.dataset import write_image, write_lines
from judgeloop.tiny.mistakes import plant_mistake
from judgeloop.tiny.questions import CAPTION, caption
from judgeloop.tiny.scenes import COLOURS, PLACES, SHAPES, Scene, SceneObject, Split, sample_from

Objects = tuple[SceneObject, ...]


def write_unplanted(folder: Path, count: int, seed: int) -> Path:
    """Writes caption pairs about scenes of the evaluation split, the categories in turn.

    Args:
        folder: Target of `gold.jsonl` and `images/`.
        count: Pairs.
        seed: Determines all random choices.

    Returns:
        The path of `gold.jsonl`, whose lines are like those of `dataset.write_gold`; the category
        is one of `CATEGORIES`.
    """
    rng = random.Random(f"unplanted/{seed}")
    rows = []
    for number in range(count):
        category = list(CATEGORIES)[number % len(CATEGORIES)]
        objects, plant = CATEGORIES[category]
        scene, wrong = None, None
        while scene is None or wrong is None:
            scene = _scene(objects, rng)
            wrong = plant(scene.objects, rng)
        name = f"u{number:06d}"
        rows.append(
            {
                "id": name,
                "images": [write_image(folder, name, scene)],
                "question": CAPTION.text,
                "kind": CAPTION.kind,
                "category": category,
                "chosen": caption(scene.objects),
                "rejected": caption(wrong),
            }
        )
    return write_lines(folder / "gold.jsonl", rows)


def _scene(count: int, rng: random.Random) -> Scene:
    """Draws a scene of the evaluation split with `count` objects, no two of them alike."""
    while True:
        if count < 3:
            scene = sample_from(Split.EVALUATION, rng)
        else:
            cells = sorted(rng.sample(range(len(PLACES)), count))
            objects = tuple(
                SceneObject(cell, rng.choice(COLOURS), rng.choice(SHAPES)) for cell in cells
            )
            scene = Scene(objects=objects, render_seed=rng.getrandbits(32))
        kinds = {(obj.colour, obj.shape) for obj in scene.objects}
        is_whole = len(scene.objects) == count == len(kinds)
        if is_whole and scene.split is Split.EVALUATION:
            return scene


def _swap_colours(objects: Sequence[SceneObject], rng: random.Random) -> Objects | None:
    """Exchanges two objects' colors; None where that gives the same caption."""
    first, second = objects
    replace = msgspec.structs.replace
    swapped = replace(first, colour=second.colour), replace(second, colour=first.colour)
    return swapped if swapped != (first, second) else None


def _omit(objects: Sequence[SceneObject], rng: random.Random) -> Objects:
    left_out = rng.randrange(len(objects))
    return (*objects[:left_out], *objects[left_out + 1 :])


def _change_middle(objects: Sequence[SceneObject], rng: random.Random) -> Objects | None:
    """Replaces one attribute of the middle object; None where another object would change."""
    first, middle, last = objects
    # In a pair with the last one the middle object is the first.
    made = plant_mistake(
        (middle, last), rng.choice(("first colour", "first shape", "first place")), rng
    )
    whole = (first, *made)
    return whole if made[1] == last and _is_caption(whole) else None


def _change_end(objects: Sequence[SceneObject], rng: random.Random) -> Objects:
    """Replaces one attribute of the first or last object, as synthesis does."""
    return plant_mistake(
        objects, rng.choice([name for name in formats.ERRORS if name != "count"]), rng
    )


def _is_caption(objects: Objects) -> bool:
    """Whether the objects are in reading order and no two are alike."""
    cells = [obj.cell for obj in objects]
    kinds = {(obj.colour, obj.shape) for obj in objects}
    return cells == sorted(set(cells)) and len(kinds) == len(objects)


CATEGORIES: dict[
    str, tuple[int, Callable[[Sequence[SceneObject], random.Random], Objects | None]]
] = {
    "swapped colours": (2, _swap_colours),
    "omitted, of two": (2, _omit),
    "omitted, of three": (3, _omit),
    "middle of three": (3, _change_middle),
    "end of three": (3, _change_end),
}
"""Number of objects in the scene and the function for the rejected caption, by category. `end of
three` is an error that synthesis plants; next to the other two categories of three objects, it
shows the effect of the third object.
"""
