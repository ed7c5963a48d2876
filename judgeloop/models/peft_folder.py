"""Checks a PEFT folder before an engine loads it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from judgeloop.models.adapter_config import WEIGHTS, check_targets, read_adapter_config
from judgeloop.models.tensors import tensor_shapes
from judgeloop.schema.errors import EngineError

_LANGUAGE = re.compile(r"(?:^|\.)(?:language_model|text_model)\.")
_VISION = re.compile(r"(?:^|\.)(?:vision\w*|visual)\.")


def check_adapter(
    folder: Path, name: str | None, base: str = "", network: Any | None = None
) -> None:
    """Refuses an adapter that is unsafe for PEFT, which would unpickle one without safetensors.

    Args:
        folder: A PEFT folder.
        name: Its name in messages.
        base: As in `read_adapter_config`.
        network: The loaded base, if PEFT will add the adapter to it.

    Raises:
        EngineError: It has no safetensors weights, or its configuration is not that of a plain LoRA
            adapter with exactly these weights.
    """
    if not (folder / WEIGHTS).is_file():
        raise EngineError(f"adapter {name} has no {WEIGHTS}; save it as safetensors")
    if network is None:
        read_adapter_config(folder, name, base)
        return
    weights = network.named_parameters(remove_duplicate=False)
    matrices = [it.removesuffix(".weight") for it, weight in weights if weight.ndim > 1]
    check_targets(folder, name, matrices, base)


def check_language_only(folder: Path, name: str | None) -> None:
    """Refuses an adapter with weights outside the language layers.

    vLLM would leave out those on the vision tower and the connector with only a warning, so that
    the served judge would differ from the trained one.

    Raises:
        EngineError: There are some; the message names the first and their number.
    """
    weights = sorted(tensor_shapes(folder / WEIGHTS))
    outside = [it for it in weights if _VISION.search(it) or not _LANGUAGE.search(it)]
    if outside:
        raise EngineError(
            f"adapter {name} has {len(outside)} of {len(weights)} weights outside the language "
            f"layers, such as {outside[0]}; vLLM would leave them out silently. Train on the "
            "language layers alone, merge the adapter into its base, or set engine.kind to "
            "transformers"
        )


def adapter_rank(folder: Path, name: str | None) -> int:
    """Returns the largest rank in an adapter.

    Raises:
        EngineError: Its configuration cannot be read.
    """
    config = read_adapter_config(folder, name)
    return max([config.r, *config.rank_pattern.values()])
