"""Wrong answers: a caption with exactly one planted mistake, a plausible wrong closed answer.

A wrong caption is as plausible as a right one: reading order is kept and no two objects become
alike, so that only the image distinguishes them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec

from judgeloop.tiny.questions import SceneQuestion, domain
from judgeloop.tiny.scenes import COLOURS, PLACES, SHAPES, Scene, SceneObject


def plant_mistake(
    objects: Sequence[SceneObject], error: str, rng: random.Random
) -> tuple[SceneObject, ...]:
    """Returns the objects with one mistake planted, one of `formats.ERRORS`.

    `count` leaves one of two objects out, or adds one to a single object; the others replace one
    attribute of one object. Where reading order leaves an object no other place, the other
    one moves.
    """
    if error == "count":
        return _miscount(objects, rng)
    which, attribute = error.split()
    index = 0 if which == "first" else len(objects) - 1
    candidates = [
        (*objects[:index], changed, *objects[index + 1 :])
        for changed in _variants(objects[index], attribute)
    ]
    valid = [c for c in candidates if _in_order(c) and not _has_equal_objects(c)]
    if not valid:
        return plant_mistake(objects, "last place" if which == "first" else "first place", rng)
    return rng.choice(valid)


def wrong_answer(scene: Scene, question: SceneQuestion, right: str, rng: random.Random) -> str:
    """Returns a wrong closed answer: half of the time one that another object would give."""
    if question.topic == "choice" and question.choices is not None:
        return rng.choice([word for word in question.choices if word != right])
    if question.topic == "either":
        first, _, second, *_ = question.text.split()
        return second if right == first else first
    others = [word for word in domain(question.target) if word != right]
    if question.target == "count":
        return rng.choice(others)
    near = [str(getattr(t, question.target)) for t in scene.objects]
    near = [word for word in near if word != right]
    return rng.choice(near) if near and rng.random() < 0.5 else rng.choice(others)


def _variants(obj: SceneObject, attribute: str) -> list[SceneObject]:
    replace = msgspec.structs.replace
    if attribute == "colour":
        return [replace(obj, colour=word) for word in COLOURS if word != obj.colour]
    if attribute == "shape":
        return [replace(obj, shape=word) for word in SHAPES if word != obj.shape]
    return [replace(obj, cell=cell) for cell in range(len(PLACES)) if cell != obj.cell]


def _miscount(objects: Sequence[SceneObject], rng: random.Random) -> tuple[SceneObject, ...]:
    if len(objects) > 1:
        left_out = rng.randrange(len(objects))
        return (*objects[:left_out], *objects[left_out + 1 :])
    only = objects[0]
    while True:
        added = SceneObject(rng.randrange(len(PLACES)), rng.choice(COLOURS), rng.choice(SHAPES))
        if added.cell != only.cell and not added.alike(only):
            return tuple(sorted((only, added)))


def _in_order(objects: Sequence[SceneObject]) -> bool:
    cells = [obj.cell for obj in objects]
    return cells == sorted(set(cells))


def _has_equal_objects(objects: Sequence[SceneObject]) -> bool:
    return len({(obj.colour, obj.shape) for obj in objects}) < len(objects)


def differences(original: str, copy: str) -> tuple[str, ...]:
    """Names the one mistake that a copy of a caption has, by comparing the texts alone.

    Returns:
        The `formats.ERRORS` that describe it (two where the caption's first object is its last).
        Empty if there is no mistake, more than one, or the copy is not a caption.
    """
    old, new = parse(original), parse(copy)
    if old is None or new is None:
        return ()
    if len(old) != len(new):
        shorter, longer = sorted((old, new), key=len)
        added = [obj for obj in longer if obj not in shorter]
        return ("count",) if len(added) == 1 == len(longer) - len(shorter) else ()
    changed = [
        (index, name)
        for index, (before, after) in enumerate(zip(old, new, strict=True))
        for name, word, other in zip(("colour", "shape", "place"), before, after, strict=True)
        if word != other
    ]
    if len(changed) != 1:
        return ()
    index, name = changed[0]
    ends = {"first": 0, "last": len(old) - 1}
    return tuple(f"{which} {name}" for which, end in ends.items() if index == end)


def parse(text: str) -> list[tuple[str, str, str]] | None:
    """Parses a caption into (color, shape, place) words; None if it is not a caption."""
    objects = []
    for part in text.split(", "):
        words = part.split(" ")
        if len(words) != 3:
            return None
        colour, shape, place = words
        if colour not in COLOURS or shape not in SHAPES or place not in PLACES:
            return None
        objects.append((colour, shape, place))
    return objects
