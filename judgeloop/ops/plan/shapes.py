"""The numbers of a model that determine its cost: parameters, KV cache, tokens of an image."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import msgspec

from judgeloop.models.references import BUILTIN, local_folder
from judgeloop.models.tensors import count_weights
from judgeloop.schema.errors import ConfigError


class ModelShape(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of a model that determine its cost."""

    parameters: int
    layers: int
    """Layers with a KV cache that grows with the text."""
    kv_heads: int
    head_dim: int
    hidden: int
    vocabulary: int
    pixels_per_token: int | None = None
    """Pixels that become one token of the prompt; None if every image takes the same number of
    tokens."""
    tokens_per_image: int = 0
    """Tokens of an image where the number is fixed."""
    max_image_pixels: int | None = None
    """Above this the model's own processor scales an image down."""

    def cache_bytes_per_token(self) -> int:
        """Returns the bytes of a token's KV cache in bfloat16."""
        return 2 * self.layers * self.kv_heads * self.head_dim * 2

    def image_tokens(self, pixels: float) -> float:
        """Returns the number of tokens of an image with this many pixels."""
        if self.pixels_per_token is None:
            return float(self.tokens_per_image)
        return min(pixels, self.max_image_pixels or math.inf) / self.pixels_per_token


KNOWN = {
    "Qwen/Qwen2.5-VL-7B-Instruct": ModelShape(
        parameters=8_290_000_000, layers=28, kv_heads=4, head_dim=128, hidden=3584,
        vocabulary=152_064, pixels_per_token=28 * 28, max_image_pixels=12_845_056,
    ),
    "Qwen/Qwen3-VL-8B-Instruct": ModelShape(
        parameters=8_770_000_000, layers=36, kv_heads=8, head_dim=128, hidden=4096,
        vocabulary=151_936, pixels_per_token=32 * 32, max_image_pixels=16_777_216,
    ),
    # Images enter through cross-attention, as one token of the prompt; 576 stands for the vision
    # encoder's own work on up to four tiles of 1,601 patches with its 0.9 billion parameters.
    "meta-llama/Llama-3.2-11B-Vision-Instruct": ModelShape(
        parameters=10_670_000_000, layers=40, kv_heads=8, head_dim=128, hidden=4096,
        vocabulary=128_256, tokens_per_image=576,
    ),
}  # fmt: skip
"""The presets' bases, from the `config.json` that their publishers have on the hub."""


def shape_of(base: str) -> ModelShape:
    """Returns the shape of a base model.

    Args:
        base: One of `KNOWN`, a model folder, or `builtin:tiny-vlm`.

    Raises:
        ConfigError: Its size cannot be known without fetching it.
        EngineError: The folder holds no safetensors file.
    """
    if base in KNOWN:
        return KNOWN[base]
    folder = local_folder(base)
    if folder is None or not (folder / "config.json").is_file():
        raise ConfigError(
            f"model.base `{base}`: its size is not known here. Give a model folder, "
            f"{BUILTIN} or one of {', '.join(KNOWN)}"
        )
    return _from_folder(folder)


def _from_folder(folder: Path) -> ModelShape:
    whole: dict[str, Any] = json.loads((folder / "config.json").read_bytes())
    text = whole.get("text_config") or whole
    vision = whole.get("vision_config") or {}
    try:
        heads, hidden = int(text["num_attention_heads"]), int(text["hidden_size"])
        patch = int(vision.get("patch_size", 14))
        merge = int(vision.get("spatial_merge_size", 0))
        side = int(vision.get("image_size", 0)) // patch // int(whole.get("scale_factor", 1))
        return ModelShape(
            parameters=count_weights(folder),
            layers=int(text["num_hidden_layers"]),
            kv_heads=int(text.get("num_key_value_heads") or heads),
            head_dim=int(text.get("head_dim") or hidden // heads),
            hidden=hidden,
            vocabulary=int(text["vocab_size"]),
            pixels_per_token=(patch * merge) ** 2 if merge else None,
            tokens_per_image=side * side,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{folder / 'config.json'}: {error!r} is missing or no number, so the model's size is "
            "not known"
        ) from error
