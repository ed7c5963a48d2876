"""Stage `register`: an iteration's judge becomes a version in MLflow, with all that made it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

import judgeloop
from judgeloop.method.prompts import load_prompts, prompt_hash
from judgeloop.models.references import fetch_adapter
from judgeloop.registry.client import wait_for_server
from judgeloop.registry.judge_file import (
    ADAPTER_FOLDER,
    JudgeFile,
    control_arms,
    write_judge_file,
)
from judgeloop.registry.tracking import (
    ITERATION_TAG,
    LOOP_TAG,
    flat,
    iteration_run,
    log_run,
    loop_run,
)
from judgeloop.registry.versions import register_version, version_uri
from judgeloop.runtime.decided import loop_hash
from judgeloop.runtime.lease import held
from judgeloop.runtime.ledger import BASE_ITERATION, Ledger
from judgeloop.runtime.stage_key import stage_manifest
from judgeloop.schema.config import Config
from judgeloop.schema.errors import RegistryError
from judgeloop.schema.keys import content_key
from judgeloop.schema.records import Manifest, ModelRef
from judgeloop.schema.results import Registered, Resolved, Scores
from judgeloop.store import Store
from judgeloop.store.shards import finish

N = TypeVar("N", int, float)
Inputs = tuple[Manifest, Manifest, Manifest, Manifest]

STAGE = "register"


def register(
    config: Config,
    store: Store,
    ledger: Ledger,
    iteration: int,
    trained: Manifest,
    validation: Manifest,
    evaluation: Manifest,
    examples: Manifest,
) -> Manifest:
    """Registers the judge of one iteration; doing it again finds the version that is there.

    MLflow is asked whatever the store holds: another server, or one that was emptied, has no such
    version yet. So the manifest's key holds the version.

    Args:
        config: The loop's configuration.
        store: The loop's store.
        ledger: The loop's ledger; it gives the loop id.
        iteration: 1, 2, ...
        trained: What `train` made.
        validation: Scores on held-out synthetic pairs.
        evaluation: Scores on gold pairs.
        examples: What the adapter was trained on.

    Returns:
        A manifest with what was `Registered`.

    Raises:
        RegistryError: MLflow cannot be used.
        StoreError: The adapter is missing or damaged.
    """
    inputs = (trained, validation, evaluation, examples)
    name = config.registry.model_name
    header = stage_manifest(
        STAGE,
        config,
        loop_id=ledger.loop_id,
        iteration=iteration,
        trained=trained,
        validation=validation,
        evaluation=evaluation,
        examples=examples,
    )
    content = header.key
    judge = _describe(config, ledger, iteration, inputs)
    logged = _prefixed("examples", _figures(examples)) | _prefixed("training", _figures(trained))
    wait_for_server()
    with held(store, f"{STAGE}-{content}"):  # MLflow cannot create a version once only
        version = _publish(config, store, content, judge, logged | judge.metrics)
    manifest = msgspec.structs.replace(
        header,
        key=content_key(content, version),
        model=judge.model,
        result=Registered(
            model_name=name,
            version=version,
            uri=version_uri(name, version),
            controls=judge.controls,
            validation=validation.expect(Scores),
            evaluation=evaluation.expect(Scores),
        ),
    )
    return finish(store, manifest)


def _describe(config: Config, ledger: Ledger, iteration: int, inputs: Inputs) -> JudgeFile:
    """Returns the version's judge file, but for its adapter's place and checksums."""
    trained, validation, evaluation, examples = inputs
    if trained.model is None:
        raise RegistryError(f"{trained.stage}/{trained.key} names no model: train again")
    prompts = load_prompts(config.prompts)
    digest = prompt_hash(prompts)
    if validation.details.get("prompt_hash", digest) != digest:
        raise RegistryError(
            f"the prompts {config.prompts} have changed since they were validated: bring back what "
            "they were, or use another loop id"
        )
    return JudgeFile(
        model=trained.model,
        adapter_files={},
        loop_id=ledger.loop_id,
        iteration=iteration,
        config=msgspec.to_builtins(config),
        manifests={made.stage: made.key for made in inputs},
        examples=tuple(shard.sha256 for shard in examples.shards),
        metrics=_prefixed("validation", validation.expect(Scores).metrics())
        | _prefixed("evaluation", evaluation.expect(Scores).metrics()),
        counts=_prefixed("validation", validation.expect(Scores).card.counts())
        | _prefixed("evaluation", evaluation.expect(Scores).card.counts()),
        prompt_files=prompts.files(),
        prompt_hash=digest,
        controls=control_arms(config.filtering.keep, _inherited(config, ledger)),
        judgeloop_version=judgeloop.__version__,
    )


def _inherited(config: Config, ledger: Ledger) -> list[str]:
    """Returns the control arms behind the version that the loop continued from."""
    if config.model.start is None:
        return []
    resolved = ledger.manifests("resolve").get(BASE_ITERATION)
    if not resolved:
        raise RegistryError(
            f"loop {ledger.loop_id} has no record of what {config.model.start} was when it began: "
            "run the loop again with the same id"
        )
    return list(resolved[0].expect(Resolved).controls)


def _publish(
    config: Config, store: Store, content: str, judge: JudgeFile, metrics: dict[str, float]
) -> str:
    """Writes the iteration's run and the version, if they are not there; returns the version."""
    parent = loop_run(config.registry.experiment, judge.loop_id, loop_hash(config, store))
    run = iteration_run(parent, judge.loop_id, judge.iteration)
    tags = {LOOP_TAG: judge.loop_id, ITERATION_TAG: str(judge.iteration)}
    tags |= {
        "judgeloop.base": judge.model.base,
        "judgeloop.adapter_sha256": judge.model.adapter_sha256,
        "judgeloop.keep": config.filtering.keep,
        "judgeloop.controls": ",".join(judge.controls),
    }

    def fill(folder: Path) -> None:
        _bring_adapter(judge.model, store, folder / ADAPTER_FOLDER)
        write_judge_file(folder, judge)

    version, model_id = register_version(config.registry.model_name, fill, run, content, tags)
    params = flat(judge.config)
    log_run(parent, {}, params, {})
    log_run(
        run, metrics, params, {"judgeloop.version": version}, judge.iteration, model_id=model_id
    )
    return version


def _bring_adapter(model: ModelRef, store: Store, folder: Path) -> None:
    """Puts the model's PEFT files into `folder`; nothing where the model is a base alone."""
    found = fetch_adapter(model, store, folder)
    if found is not None and found != folder:
        shutil.copytree(found, folder)


def _figures(manifest: Manifest) -> dict[str, float]:
    return manifest.result.metrics() if manifest.result else {}


def _prefixed(prefix: str, values: Mapping[str, N]) -> dict[str, N]:
    return {f"{prefix}/{name}": value for name, value in values.items()}
