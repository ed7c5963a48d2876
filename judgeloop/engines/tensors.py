"""Reads what a safetensors file holds from its head alone, without loading a weight."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

from judgeloop.schema.errors import EngineError

_HEAD = struct.Struct("<Q")
_LIMIT = 100 * 2**20
"""Longest head that the format allows."""


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Returns the shape of each tensor by name.

    Raises:
        EngineError: It is no safetensors file.
    """
    try:
        with path.open("rb") as file:
            (length,) = _HEAD.unpack(file.read(_HEAD.size))
            if length > _LIMIT:
                raise ValueError(f"a head of {length} bytes")
            head = json.loads(file.read(length))
        return {
            name: tuple(int(size) for size in entry["shape"])
            for name, entry in head.items()
            if name != "__metadata__"
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
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
