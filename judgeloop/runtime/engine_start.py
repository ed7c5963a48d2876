"""Resolves a model reference once, and starts an engine for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from judgeloop.engines import load_engine
from judgeloop.engines.fit import check_fit
from judgeloop.engines.lazy import LazyEngine
from judgeloop.engines.libraries import warm_up
from judgeloop.models.fetch import fetch_model
from judgeloop.runtime.garbage_collector import keep_imported

if TYPE_CHECKING:
    from judgeloop.engines import Engine
    from judgeloop.schema.engine_section import EngineSection
    from judgeloop.schema.records import ModelRef
    from judgeloop.store import Store
    from judgeloop.store.images import ImageLibrary


def open_engine(
    settings: EngineSection, model: ModelRef, images: ImageLibrary, store: Store
) -> Engine:
    """Resolves a model and loads it into the engine that the configuration names.

    For the `openai` engine nothing is resolved, since the server has the model.

    Args:
        settings: The kind of engine and its limits.
        model: The model, by reference.
        images: The engine reads the images of requests from it.
        store: Store of an adapter that is named by key.

    Raises:
        ConfigError: The engine cannot run the model.
        EngineError: The model cannot be loaded.
        StoreError: The adapter is missing or damaged.
    """
    check_fit(settings.kind, model)
    if settings.kind == "openai":
        from judgeloop.engines.endpoint import EndpointEngine

        return EndpointEngine(settings, model, images)
    local = fetch_model(model, store)
    warm_up(settings)
    keep_imported()
    return load_engine(settings, local, images)


@contextmanager
def lazy_engine(
    settings: EngineSection, model: ModelRef, images: ImageLibrary, store: Store
) -> Iterator[LazyEngine]:
    """Yields an engine that starts when first used and is closed at the end of the block.

    An engine that is never used resolves no model; arguments and errors are those of `open_engine`.
    """
    engine = LazyEngine(lambda: open_engine(settings, model, images, store))
    try:
        yield engine
    finally:
        engine.close()
