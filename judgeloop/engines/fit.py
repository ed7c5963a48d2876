"""Which engine can run which model; other combinations are refused before a GPU is used."""

from __future__ import annotations

import msgspec

from judgeloop.models.references import base_type
from judgeloop.schema.engine_section import SCRIPTED, EngineSection, scripted_misfit
from judgeloop.schema.errors import ConfigError
from judgeloop.schema.records import ModelRef

_NOT_RUN = {
    "vllm": {
        "mllama": "vLLM runs Llama 3.2 Vision up to 0.10.2 only, and this one is newer. Set "
        "engine.kind to transformers, or serve the model with vLLM 0.10.2 on its own and set "
        "engine.kind to openai and engine.endpoint to that server",
    },
}
"""Reasons, by the kind of engine and the `model_type` of the model."""


def check_fit(kind: str, model: ModelRef) -> None:
    """Checks that an engine can run a model, as far as can be known without loading it.

    Raises:
        ConfigError: It cannot; the message says why, and which engine can.
        StoreError: A base in S3 cannot be read.
    """
    if reason := scripted_misfit(kind, model.base):
        raise ConfigError(reason)
    refused = _NOT_RUN.get(kind, {})
    if refused and (reason := refused.get(base_type(model) or "")):
        raise ConfigError(f"engine.kind `{kind}` cannot run model.base {model.base}: {reason}")


def choose_engine(asked: EngineSection | str | None, base: str) -> EngineSection:
    """Returns the settings of the engine that will run a judge.

    Args:
        asked: A kind of engine, all its settings, or None for Transformers.
        base: The judge's base; a scripted one has an engine of its own.

    Raises:
        ConfigError: There is no such kind, or it needs more settings.
    """
    if isinstance(asked, EngineSection):
        return asked
    kind = asked or ("scripted" if base.startswith(SCRIPTED) else "transformers")
    try:
        return msgspec.convert({"kind": kind}, EngineSection)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"engine {kind!r}: {error}; for a server give an EngineSection with its endpoint"
        ) from error
