"""Shared by the stages that run a model: the manifest before the work, and the run itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from judgeloop.method.steps import Steps
from judgeloop.runtime.engine_start import lazy_engine
from judgeloop.runtime.identity import engine_identity, prompts_identity, sampling_text
from judgeloop.runtime.inference import WHOLE, Records, Share, infer_shards
from judgeloop.runtime.lease import held
from judgeloop.runtime.once import Turn, once
from judgeloop.runtime.progress import Progress
from judgeloop.runtime.pulse import Meter
from judgeloop.runtime.stage_key import stage_manifest
from judgeloop.runtime.stage_settings import InferenceSettings, Pictures
from judgeloop.schema.errors import EngineError
from judgeloop.schema.records import Manifest, ModelRef
from judgeloop.schema.sampling import Sampling
from judgeloop.store import Store
from judgeloop.store.images import ImageLibrary
from judgeloop.store.shards import Seen, finished, stored_keys

I = TypeVar("I")  # noqa: E741


def inference_manifest(
    stage: str,
    config: InferenceSettings,
    model: ModelRef,
    inputs: Mapping[str, object],
    samplings: Mapping[str, Sampling],
    partition: int | None = None,
) -> Manifest:
    """Returns the manifest of a stage that runs a model, before its work.

    Args:
        stage: The stage.
        config: The configuration.
        model: The model that is run.
        inputs: The inputs of the stage's content key, see `stage_manifest`.
        samplings: Samplings by name, for the manifest's details.
        partition: The partition, for a partitioned stage.
    """
    texts = {name: sampling_text(sampling) for name, sampling in samplings.items()}
    return msgspec.structs.replace(
        stage_manifest(stage, config, **inputs),
        model=model,
        partition=partition,
        details=engine_identity(config.engine) | prompts_identity(config.prompts) | texts,
    )


def infer(
    config: InferenceSettings,
    store: Store,
    header: Manifest,
    batches: Iterable[Sequence[I]],
    steps: Callable[[I], Steps[Records]],
    progress: Callable[[], Progress],
    complete: Callable[[Manifest], Manifest],
    share: Share = WHOLE,
    seen: Seen | None = None,
    library: ImageLibrary | None = None,
) -> Manifest:
    """Runs a model over batches, one shard each, unless the stage is done.

    No engine is started if all shards are stored. Several workers may each compute a share of the
    shards; a later call for the whole finds them and completes the manifest.

    Args:
        config: The configuration; its section `engine` defines how the model is run.
        store: The store.
        header: The manifest before the work: stage, key and the model that is run.
        batches: Inputs of shard 0, 1, ...; the same at every start; read when there is work to do.
        steps: The work of an input.
        progress: Starts the progress display.
        complete: Adds figures from its records to the written manifest, before it is stored.
        share: Shards to compute.
        seen: Gets each shard's rows before `complete` is called, if there is work to do.

        library: The loop's images, if the caller reads them too: its index and its cache are then
            shared.

    Returns:
        The stored manifest; for a share, a manifest of its shards only, which is not stored.
    """
    model = header.model
    if model is None:
        raise EngineError(f"{header.stage}/{header.key}: its manifest names no model to run")

    def make(turn: Turn) -> Manifest:
        shown, images = progress(), library or open_library(config.data, store)
        with lazy_engine(config.engine, model, images, store) as engine:
            written = infer_shards(
                engine,
                store,
                header,
                batches,
                steps,
                config.engine.shards_in_flight,
                before_shard=turn.lease.ensure_held,
                advance=shown.advance,
                share=share,
                stored=turn.stored,
                seen=seen,
                meter=Meter(shown.beat),
            )
        return written

    def whole(turn: Turn) -> Manifest:
        return complete(_priced(config, make(turn)))

    if share == WHOLE:
        return once(store, header.stage, header.key, whole)
    if done := finished(store, header.stage, header.key):
        return done
    with held(store, f"{header.stage}-{header.key}{share.suffix.replace('/', '-')}") as lease:
        return make(Turn(lease, stored_keys(store, header.stage, header.key)))


def _priced(config: InferenceSettings, written: Manifest) -> Manifest:
    """Adds the cost of the counted tokens at the endpoint's prices per million."""
    endpoint, tokens = config.engine.endpoint, written.tokens
    if endpoint is None or not (endpoint.prompt_price or endpoint.completion_price):
        return written
    prompt = tokens.get("prompt", 0) * endpoint.prompt_price
    completion = tokens.get("completion", 0) * endpoint.completion_price
    cost = f"{(prompt + completion) / 1e6:.6f}"
    return msgspec.structs.replace(written, details=written.details | {"cost": cost})


def open_library(data: Pictures, store: Store) -> ImageLibrary:
    """Opens the image library of a loop."""
    return ImageLibrary(store, data.max_pixels, data.background)
