"""What the stages that run a model share: the engine's identity and the image library."""

from __future__ import annotations

from importlib import metadata

import msgspec

from judgeloop import __version__
from judgeloop.config import Config
from judgeloop.engines.base import Sampling
from judgeloop.images import ImageLibrary
from judgeloop.prompts import load_prompts, prompt_hash
from judgeloop.store import Store

_PACKAGES = {"transformers": "transformers"}


def open_library(config: Config, store: Store) -> ImageLibrary:
    """Opens the image library of a loop."""
    return ImageLibrary(store, config.data.max_pixels)


def engine_identity(config: Config) -> dict[str, str]:
    """Returns what decides an engine's answers besides model, prompt and sampling."""
    package = _PACKAGES.get(config.engine.kind)
    return {
        "engine": config.engine.kind,
        "engine_version": metadata.version(package) if package else __version__,
        "dtype": config.engine.dtype,
        "max_prompt_tokens": str(config.engine.max_prompt_tokens),
        "prompts": config.prompts,
        "prompt_hash": prompt_hash(load_prompts(config.prompts)),
    }


def sampling_text(sampling: Sampling) -> str:
    """Returns a sampling as the JSON text that goes into a manifest's details."""
    return msgspec.json.encode(sampling, order="deterministic").decode()
