"""Resolve: pins the start model, and checks that the engine can run it, before any GPU is used."""

from __future__ import annotations

import msgspec

from judgeloop.engines.fit import check_fit
from judgeloop.models.references import check_base, describe_base, without_adapter
from judgeloop.prompt_sets import load_prompts
from judgeloop.runtime.ledger import BASE_ITERATION, Ledger
from judgeloop.runtime.stage_key import stage_manifest
from judgeloop.runtime.stage_settings import ResolveSettings
from judgeloop.schema.errors import ConfigError
from judgeloop.schema.records import Manifest, ModelRef
from judgeloop.schema.results import FLOORS_FAILED, Resolved
from judgeloop.store import Store

STAGE = "resolve"


def resolve(config: ResolveSettings, store: Store, ledger: Ledger) -> Manifest:
    """Returns a manifest whose `model` is the start model, pinned by its hash or its commit.

    A loop that began with a registered version continues with that one, wherever the alias points
    by
    now: it may have moved it itself.

    The result names the version from which the loop continues, if any, and the study's control arms
    behind it.

    Raises:
        ConfigError: A setting names nothing, a hub id's commit cannot be determined, the engine
            cannot run the model, or `model.start` was trained on another base or does not beat the
            blind baselines (an evaluation outside a loop accepts any version).
        RegistryError: `model.start` names no version.
        StoreError: A base in S3 cannot be read.
    """
    for name in (config.prompts, *config.evaluation.base_prompts):
        load_prompts(name)
    begun = ledger.manifests(STAGE).get(BASE_ITERATION)
    if config.model.start is not None and begun:
        return begun[0]
    model, resolved = _start_model(config, store, must_clear_floors=not ledger.evaluates)
    check_fit(config.engine.kind, model)
    return msgspec.structs.replace(
        stage_manifest(STAGE, config, model=model), model=model, result=resolved
    )


def _start_model(
    config: ResolveSettings, store: Store, *, must_clear_floors: bool
) -> tuple[ModelRef, Resolved]:
    if config.model.start is None:
        return describe_base(config.model.base, config.model.revision), Resolved()
    from judgeloop.registry.addresses import bring_version

    start = bring_version(config.model.start, store)
    if must_clear_floors and start.metrics.get(f"evaluation/{FLOORS_FAILED}"):
        raise ConfigError(
            f"model.start {config.model.start} is version {start.version}, which is no better on "
            "the gold pairs than the blind baselines: start from another version, or from the "
            "base (model.start: null)"
        )
    resolved = Resolved(
        start=config.model.start, version=start.version, controls=tuple(start.controls)
    )
    return _on_base(config, start.model), resolved


def _on_base(config: ResolveSettings, judge: ModelRef) -> ModelRef:
    """Returns a registered judge with its base at the location of `model.base`."""
    if config.model.base == judge.base:
        check_base(judge)
        return judge
    given = describe_base(config.model.base, config.model.revision)
    if given.content() != without_adapter(judge).content():
        raise ConfigError(
            f"model.start {config.model.start} was trained on {judge.base}, and model.base "
            f"{config.model.base} is another model: set model.base to {judge.base}"
        )
    return msgspec.structs.replace(judge, base=given.base)
