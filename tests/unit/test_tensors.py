"""The header of a safetensors file: its shapes, and what is said of a file that is none."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from judgeloop.models.tensors import count_weights, tensor_shapes
from judgeloop.schema.errors import EngineError


def headed(header: bytes, body: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + body


def entry(dtype: str, shape: str, length: int) -> bytes:
    return (
        f'{{"a": {{"dtype": "{dtype}", "shape": {shape}, "data_offsets": [0, {length}]}}}}'
    ).encode()


def test_shapes_are_read_by_name_and_counted(tmp_path: Path) -> None:
    save_file({"a": np.zeros((2, 3)), "b": np.zeros(4)}, tmp_path / "one.safetensors", {"k": "v"})
    save_file({"c": np.zeros(())}, tmp_path / "two.safetensors")
    assert tensor_shapes(tmp_path / "one.safetensors") == {"a": (2, 3), "b": (4,)}
    assert count_weights(tmp_path) == 11


def test_types_that_numpy_lacks_are_read(tmp_path: Path) -> None:
    for dtype in ("BF16", "F8_E4M3"):
        width = 2 if dtype == "BF16" else 1
        path = tmp_path / "model.safetensors"
        path.write_bytes(headed(entry(dtype, "[2, 3]", 6 * width), bytes(6 * width)))
        assert tensor_shapes(path) == {"a": (2, 3)}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"abc",
        struct.pack("<Q", 2**62),
        headed(b"[" * 100_000),
        headed(json.dumps({"a": 1}).encode()),
        headed(entry("F32", "[-1]", 4), bytes(4)),
        headed(entry("F32", "[1e400]", 4), bytes(4)),
        headed(entry("F32", "[99999999999999999999, 9]", 4), bytes(4)),
        headed(entry("F32", "[4294967296, 4294967296, 4294967296]", 4), bytes(4)),
        headed(entry("F32", "[2]", 8), bytes(4)),
    ],
    ids=[
        "empty", "short", "endless", "nested", "no_entry", "negative", "infinite", "huge",
        "overflow", "cut_off",
    ],
)  # fmt: skip
def test_a_damaged_header_is_an_error_in_words(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(data)
    with pytest.raises(EngineError, match=r"model\.safetensors is not a safetensors file"):
        count_weights(tmp_path)
