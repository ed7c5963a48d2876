"""Inference engines: what answers a prompt about images.

`transformers` runs any image-text model that Transformers can load, on a GPU or on the CPU; `vllm`
runs those that vLLM serves, faster; `openai` asks a server with the OpenAI API; `scripted` plays a
model without one, for tests and for the smallest loop. All keep the promise of
`judgeloop.schema.requests`: an answer depends on its own request alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from judgeloop.engines.base import Engine, generate
from judgeloop.engines.fit import check_fit

if TYPE_CHECKING:
    from judgeloop.schema.engine_section import EngineSection
    from judgeloop.schema.records import ModelRef
    from judgeloop.store import Store
    from judgeloop.store.images import ImageLibrary

__all__ = ["Engine", "generate", "open_engine"]


def open_engine(
    settings: EngineSection,
    model: ModelRef,
    images: ImageLibrary,
    store: Store,
) -> Engine:
    """Loads a model into the engine that the configuration names.

    Args:
        settings: The kind of engine and its limits.
        model: The model, by reference.
        images: Where the engine finds the images of requests.
        store: Where an adapter that is named by key lies.

    Raises:
        ConfigError: The engine and the model don't go together.
        EngineError: The model cannot be loaded.
        StoreError: The adapter is missing or damaged.
    """
    check_fit(settings.kind, model)
    if settings.kind == "scripted":
        from judgeloop.engines.scripted import ScriptedEngine

        return ScriptedEngine(settings, model, images, store)
    if settings.kind == "openai":
        from judgeloop.engines.endpoint import EndpointEngine

        return EndpointEngine(settings, model, images)
    if settings.kind == "vllm":
        from judgeloop.engines.vllm import VllmEngine

        return VllmEngine(settings, model, images, store)
    from judgeloop.engines.transformers import TransformersEngine

    return TransformersEngine(settings, model, images, store)
