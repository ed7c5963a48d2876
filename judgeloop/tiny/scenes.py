"""Scenes: one or two colored shapes on a 3 x 3 grid, sampled by seed and split by a hash.

A scene's *layout* (which objects stand where) decides its split, so no layout is in two splits. Its
*render seed* decides the jitter of place, size, color and background: two pictures of one layout
differ.
"""

from __future__ import annotations

import hashlib
import random
from enum import StrEnum

import msgspec

COLOURS = ("red", "green", "blue", "yellow", "purple", "grey")
SHAPES = ("circle", "square", "triangle", "cross")
PLACES = (
    *("northwest", "north", "northeast"),
    *("west", "centre", "east"),
    *("southwest", "south", "southeast"),
)
"""Names of the nine cells, in reading order: the index is the cell."""

SINGLE_SHARE = 0.4
"""Share of scenes with one object; the others have two."""


class Split(StrEnum):
    """What a scene may be used for."""

    PRETRAINING = "pretraining"
    LOOP = "loop"
    EVALUATION = "evaluation"


class SceneObject(msgspec.Struct, frozen=True, order=True):
    """One object: its cell (0 to 8, reading order), color and shape."""

    cell: int
    colour: str
    shape: str

    @property
    def place(self) -> str:
        """The compass word of the cell."""
        return PLACES[self.cell]

    def alike(self, other: SceneObject) -> bool:
        """Whether color and shape are the same; two objects of a scene are never alike."""
        return self.colour == other.colour and self.shape == other.shape

    def describe(self) -> str:
        """The object in a caption, such as `red circle north`."""
        return f"{self.colour} {self.shape} {self.place}"


class Scene(msgspec.Struct, frozen=True):
    """A layout and the seed of its picture."""

    objects: tuple[SceneObject, ...]
    """In reading order, each in a cell of its own."""
    render_seed: int
    """Decides the jitter of the picture."""

    @property
    def layout(self) -> str:
        """What stands where, as text; two scenes with one layout differ in `render_seed` alone."""
        return ", ".join(obj.describe() for obj in self.objects)

    @property
    def split(self) -> Split:
        """The split that the layout's hash puts the scene in: 60, 30 and 10 % of the layouts."""
        digest = hashlib.sha256(f"tiny-world/{self.layout}".encode()).digest()
        part = int.from_bytes(digest[:4], "big") % 10
        if part < 6:
            return Split.PRETRAINING
        return Split.LOOP if part < 9 else Split.EVALUATION


def sample_scene(rng: random.Random) -> Scene:
    """Draws a scene from the whole world; its objects differ in color, in shape or in both."""
    count = 1 if rng.random() < SINGLE_SHARE else 2
    cells = sorted(rng.sample(range(len(PLACES)), count))
    objects = tuple(SceneObject(cell, rng.choice(COLOURS), rng.choice(SHAPES)) for cell in cells)
    if count == 2 and objects[0].alike(objects[1]):
        return sample_scene(rng)
    return Scene(objects=objects, render_seed=rng.getrandbits(32))


def sample_from(split: Split, rng: random.Random) -> Scene:
    """Draws a scene of one split."""
    while (scene := sample_scene(rng)).split is not split:
        pass
    return scene
