"""Resolve: pins the start model, before anything is paid for."""

from __future__ import annotations

from judgeloop.config import Config
from judgeloop.keys import content_key
from judgeloop.models import describe_base
from judgeloop.prompts import load_prompts
from judgeloop.records import Manifest, ModelRef
from judgeloop.store import Store

STAGE = "resolve"
VERSION = 1


def resolve(config: Config, store: Store) -> Manifest:
    """Returns a manifest whose `model` is the start model with its hash or version.

    Raises:
        ConfigError: A setting names nothing.
        RegistryError: `model.start` names no version.
    """
    load_prompts(config.prompts)
    model, details = _start_model(config, store)
    return Manifest(
        stage=STAGE,
        stage_version=VERSION,
        key=content_key(STAGE, VERSION, model.content()),
        model=model,
        details=details,
    )


def _start_model(config: Config, store: Store) -> tuple[ModelRef, dict[str, str]]:
    if config.model.start is None:
        return describe_base(config.model.base, config.model.revision), {}
    from judgeloop.registry.versions import bring_version

    version, model = bring_version(config.model.start, store)
    return model, {"start": config.model.start, "version": version}
