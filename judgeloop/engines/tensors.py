"""Reads what a safetensors file holds from its header alone, without loading a weight."""

from __future__ import annotations

import math
from pathlib import Path

from safetensors import SafetensorError, safe_open

from judgeloop.schema.errors import EngineError


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Returns the shape of each tensor by name.

    Raises:
        EngineError: It is no safetensors file.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            names = file.keys()
            return {name: tuple(file.get_slice(name).get_shape()) for name in names}
    except (OSError, SafetensorError) as error:
        raise EngineError(f"{path} is no safetensors file ({error})") from error


def count_weights(folder: Path) -> int:
    """Returns how many numbers a model's safetensors files hold.

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
