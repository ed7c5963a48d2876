"""Reads the contents of a safetensors file from its header alone, without loading a weight."""

from __future__ import annotations

import math
from pathlib import Path

from safetensors import SafetensorError, safe_open

from judgeloop.schema.errors import EngineError, reason_of

MAX_HEAD_BYTES = 8 * 1024 * 1024
"""Enough for 50,000 tensors."""


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Returns the shape of each tensor by name.

    Raises:
        EngineError: It is not a safetensors file.
    """
    try:
        _check_head(path)
        with safe_open(path, framework="numpy") as file:
            names = file.keys()
            return {name: tuple(file.get_slice(name).get_shape()) for name in names}
    except (OSError, SafetensorError) as error:
        raise EngineError(f"{path} is not a safetensors file ({reason_of(error)})") from error


def _check_head(path: Path) -> None:
    """Refuses a header that would take gigabytes to read: the library's own limit is 100 MB.

    Raises:
        OSError: The file cannot be read.
        EngineError: The header is too long.
    """
    if not path.is_file():  # reading a pipe would block
        raise EngineError(f"{path} is not a safetensors file")
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
    if size > MAX_HEAD_BYTES:
        raise EngineError(f"{path} is not a safetensors file: its head would have {size:,} bytes")


def count_weights(folder: Path) -> int:
    """Returns the number of weights in a model's safetensors files.

    Raises:
        EngineError: There is none, or one is damaged.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise EngineError(
            f"cannot load model {folder}: it has no safetensors file; save its weights as "
            "safetensors"
        )
    return sum(math.prod(shape) for file in files for shape in tensor_shapes(file).values())
