"""Draws a scene with Pillow: 48 x 48 pixels, the same bytes for the same scene."""

from __future__ import annotations

import io
import random
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from judgeloop.tiny.scenes import Scene

SIZE = 48
"""Width and height of a picture in pixels; a cell is a third of it."""
CELL = SIZE // 3

_RGB = {
    "red": (205, 45, 45),
    "green": (45, 160, 60),
    "blue": (50, 80, 210),
    "yellow": (225, 200, 50),
    "purple": (150, 60, 175),
    "grey": (125, 125, 125),
}
_SHADE = 22
"""Largest shift of a color channel; neighboring colors stay distinct."""


def draw(scene: Scene) -> Image.Image:
    """Returns the scene as an RGB image of 48 x 48 pixels."""
    rng = random.Random(scene.render_seed)
    paper = tuple(rng.randint(225, 250) for _ in range(3))
    image = Image.new("RGB", (SIZE, SIZE), paper)
    canvas = ImageDraw.Draw(image)
    for obj in scene.objects:
        radius = rng.randint(4, 6)
        slack = CELL // 2 - 1 - radius
        x = obj.cell % 3 * CELL + CELL // 2 + rng.randint(-slack, slack)
        y = obj.cell // 3 * CELL + CELL // 2 + rng.randint(-slack, slack)
        shift = rng.randint(-_SHADE, _SHADE)
        fill = tuple(
            max(0, min(255, channel + shift + rng.randint(-8, 8))) for channel in _RGB[obj.colour]
        )
        _draw_shape(canvas, obj.shape, x, y, radius, fill)
    return image


def png(scene: Scene) -> bytes:
    """Returns the scene's picture as PNG bytes without metadata."""
    buffer = io.BytesIO()
    draw(scene).save(buffer, format="PNG")
    return buffer.getvalue()


def _draw_shape(
    canvas: ImageDraw.ImageDraw, shape: str, x: int, y: int, radius: int, fill: tuple[int, ...]
) -> None:
    left, top, right, bottom = x - radius, y - radius, x + radius, y + radius
    if shape == "circle":
        canvas.ellipse((left, top, right, bottom), fill=fill)
    elif shape == "square":
        canvas.rectangle((left, top, right, bottom), fill=fill)
    elif shape == "triangle":
        canvas.polygon([(x, top), (right, bottom), (left, bottom)], fill=fill)
    else:
        arm = max(1, radius // 3)
        canvas.rectangle((left, y - arm, right, y + arm), fill=fill)
        canvas.rectangle((x - arm, top, x + arm, bottom), fill=fill)
