"""Inference engines, which answer prompts about images.

`transformers` runs any image-text model that Transformers can load, on a GPU or on the CPU; `vllm`
runs those that vLLM serves, faster; `openai` asks a server with the OpenAI API; `scripted`
simulates a model, for tests and for the smallest loop. All guarantee what
`judgeloop.schema.requests` states: an answer depends on its own request alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from judgeloop.engines.base import Engine, generate

if TYPE_CHECKING:
    from judgeloop.models.local import LocalModel
    from judgeloop.schema.engine_section import EngineSection
    from judgeloop.store.images import ImageLibrary

__all__ = ["Engine", "generate", "load_engine"]


def load_engine(settings: EngineSection, model: LocalModel, images: ImageLibrary) -> Engine:
    """Loads a local model into the engine that the configuration names.

    Args:
        settings: The kind of engine and its limits; not `openai`, which loads no model.
        model: The model. The engine closes it when it no longer needs its files, at the latest when
            the engine is closed or fails to start.
        images: The engine reads the images of requests from it.

    Raises:
        ConfigError: The engine refuses the model or its settings.
        EngineError: The model cannot be loaded.
    """
    if settings.kind == "scripted":
        from judgeloop.engines.scripted import ScriptedEngine

        return ScriptedEngine(settings, model, images)
    if settings.kind == "vllm":
        from judgeloop.engines.vllm import VllmEngine

        return VllmEngine(settings, model, images)
    from judgeloop.engines.transformers import TransformersEngine

    return TransformersEngine(settings, model, images)
