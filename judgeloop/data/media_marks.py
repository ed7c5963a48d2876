"""Image placeholders in a question's text, as other data set formats have them.

Engines decide where an image is shown, which is before the text. A mark left in the text
would be read as words, or as a control token.
"""

from __future__ import annotations

import re

from judgeloop.schema.errors import DataError

_MARK = re.compile(
    r"<\|vision_start\|>(?:<\|(?:image|video)_pad\|>)*<\|vision_end\|>"  # Qwen-VL
    r"|<\|(?:image|video)\|>|<(?:image|video|img|ImageHere|image_placeholder|start_of_image)>"
    r"|<\|image_(?P<phi>\d+)\|>|<image[ _]?(?P<mmmu>\d+)>|\[IMG\]",
    re.IGNORECASE,
)


def without_media_marks(text: str, images: int) -> str:
    """Returns a question's text without the marks of its images.

    Marks at either end go, with the white space around them; one inside the text, which says where
    an image belongs, becomes `[image n]`. A lone `<|image_pad|>` marks no image; it is a text.

    Args:
        text: The question.
        images: How many images the row names.

    Raises:
        DataError: There are more marks than images, or one names an image that the row lacks.
    """
    found = list(_MARK.finditer(text))
    if not found:
        return text
    numbers: list[int] = []
    for mark in found:
        named = mark["phi"] or mark["mmmu"]
        numbers.append(int(named[:9]) if named else len(numbers) + 1)
    if max(numbers) > images or min(numbers) < 1:
        raise DataError(
            f"the text refers to image {max(numbers) if max(numbers) > images else 0}, such as by "
            f"{found[-1][0]!r}, but the row has {images} image(s)"
        )
    first, last = 0, len(found)
    start, end = 0, len(text)
    while first < last and not text[start : found[first].start()].strip():
        start, first = found[first].end(), first + 1
    while first < last and not text[found[last - 1].end() : end].strip():
        end, last = found[last - 1].start(), last - 1
    parts, at = [], start
    for mark, number in zip(found[first:last], numbers[first:last], strict=True):
        parts += [text[at : mark.start()], f"[image {number}]"]
        at = mark.end()
    return "".join([*parts, text[at:end]]).strip()
