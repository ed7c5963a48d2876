"""What the stages that run a model share: how they run it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import msgspec

from judgeloop.engines.lazy import lazy_engine
from judgeloop.method.steps import Steps
from judgeloop.runtime.inference import WHOLE, Records, Share, infer_shards
from judgeloop.runtime.lease import Lease, held
from judgeloop.runtime.once import once
from judgeloop.runtime.progress import Progress
from judgeloop.schema.config import Config
from judgeloop.schema.records import Manifest, ModelRef
from judgeloop.store import Store
from judgeloop.store.images import ImageLibrary
from judgeloop.store.shards import finished

I = TypeVar("I")  # noqa: E741


def infer(
    config: Config,
    store: Store,
    header: Manifest,
    model: ModelRef,
    batches: Iterable[Sequence[I]],
    steps: Callable[[I], Steps[Records]],
    progress: Callable[[], Progress],
    complete: Callable[[Manifest], Manifest],
    share: Share = WHOLE,
) -> Manifest:
    """Runs a model over batches, a shard each, unless the stage is done or another is at it.

    No engine is started for shards that are there. Several workers may make a share of the shards
    each; who is then asked for the whole finds them and completes the manifest.

    Args:
        config: Its engine answers.
        store: Where everything lies.
        header: What is known before the work, above all stage and key.
        model: Who is asked.
        batches: Inputs of shard 0, 1, ...; the same at every start; read when there is work to do.
        steps: An input's work.
        progress: Begins to show how far it is.
        complete: Adds to the written manifest what its records say, before it is stored.
        share: Which shards are made.

    Returns:
        The stored manifest; of a share one of its shards alone, which is not stored.
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
                share=share,
            )
        return written

    def whole(lease: Lease) -> Manifest:
        return complete(_priced(config, make(lease)))

    if share == WHOLE:
        return once(store, header.stage, header.key, whole)
    if done := finished(store, header.stage, header.key):
        return done
    with held(store, f"{header.stage}-{header.key}{share.suffix.replace('/', '-')}") as lease:
        return make(lease)


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
    return ImageLibrary(store, config.data.max_pixels, config.data.background)
