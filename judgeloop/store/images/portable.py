"""Images as bytes that any server reads in the same way."""

from __future__ import annotations

import io

from PIL import Image

_ORIENTATION = 0x0112
_UPRIGHT = 1
_FORMATS = ("PNG", "JPEG", "WEBP")
_MODES = ("RGB", "L")


def portable_image(data: bytes, decoded: Image.Image) -> tuple[str, bytes]:
    """Returns the media type and the bytes of an image in a widely read format.

    The bytes are unchanged where every reader decodes them to the same pixels; with transparency,
    an EXIF orientation, several frames, a rarer format or more pixels than the limit, they are a
    PNG of the decoded image.

    Args:
        data: The encoded image, known to be sound.
        decoded: The image that `decode_image` returned.
    """
    with Image.open(io.BytesIO(data)) as image:
        plain = (
            image.format in _FORMATS
            and image.mode in _MODES
            and not image.has_transparency_data
            and image.size == decoded.size
            and getattr(image, "n_frames", 1) == 1
            and image.getexif().get(_ORIENTATION, _UPRIGHT) == _UPRIGHT
        )
        if plain:
            return f"image/{image.format}".lower(), data
    buffer = io.BytesIO()
    decoded.save(buffer, "PNG")
    return "image/png", buffer.getvalue()
