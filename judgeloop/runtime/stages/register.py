"""Stage `register`: registers an iteration's judge as a version in MLflow, with its origin."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

import judgeloop
from judgeloop.method.prompts import prompt_hash
from judgeloop.models.fetch import fetch_adapter
from judgeloop.prompt_sets import load_prompts
from judgeloop.registry.client import wait_for_server
from judgeloop.registry.judge_file import (
    ADAPTER_FOLDER,
    JudgeFile,
    control_arms,
    write_judge_file,
)
from judgeloop.registry.notes import iteration_note, loop_note
from judgeloop.registry.tracking import (
    ITERATION_TAG,
    LOOP_TAG,
    NOTE_TAG,
    flat,
    iteration_run,
    log_curves,
    log_run,
    loop_run,
)
from judgeloop.registry.versions import register_version, version_uri
from judgeloop.runtime.lease import held
from judgeloop.runtime.ledger import BASE_ITERATION, Ledger
from judgeloop.runtime.stage_key import stage_manifest
from judgeloop.runtime.stage_settings import RegisterSettings
from judgeloop.runtime.stages.start_model import curve_points, prefixed
from judgeloop.schema.errors import RegistryError
from judgeloop.schema.keys import content_key
from judgeloop.schema.records import Manifest, ModelRef
from judgeloop.schema.results import Registered, Resolved, Scores, Training
from judgeloop.store import Store
from judgeloop.store.shards import finish

Inputs = tuple[Manifest, Manifest, Manifest, Manifest]

STAGE = "register"


class _Made(NamedTuple):
    """The data of one iteration to be registered."""

    content: str
    loop_hash: str
    judge: JudgeFile
    metrics: dict[str, float]
    start: dict[str, float]
    """The start model's figures on held-out pairs."""
    losses: tuple[tuple[int, float], ...]
    """(step, loss) of the iteration's training."""


def register(
    config: RegisterSettings,
    store: Store,
    ledger: Ledger,
    iteration: int,
    trained: Manifest,
    validation: Manifest,
    evaluation: Manifest,
    examples: Manifest,
    configuration: dict[str, Any],
    loop_hash: str,
) -> Manifest:
    """Registers the judge of one iteration; idempotent.

    MLflow is asked even if the store has a result: another or an emptied server has no such version
    yet. So the manifest's key includes the version.

    Args:
        config: The prompts, and the registry's names.
        store: The loop's store.
        ledger: The loop's ledger; it gives the loop id.
        iteration: 1, 2, ...
        trained: Manifest of `train`.
        validation: Scores on held-out synthetic pairs.
        evaluation: Scores on gold pairs.
        examples: Examples that the adapter was trained on.
        configuration: The loop's whole configuration, which is recorded with the version.
        loop_hash: Distinguishes the loop's runs in MLflow from those of another loop with its id.

    Returns:
        A manifest with a `Registered`.

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
    judge = _describe(config, ledger, iteration, inputs, configuration)
    logged = prefixed("examples", _figures(examples)) | prefixed("training", _figures(trained))
    wait_for_server()
    with held(store, f"{STAGE}-{content}"):  # MLflow cannot create a version exactly once
        metrics = logged | judge.metrics
        losses = trained.result.losses if isinstance(trained.result, Training) else ()
        made = _Made(content, loop_hash, judge, metrics, _start(ledger), losses)
        version = _publish(config, store, made)
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


def _describe(
    config: RegisterSettings,
    ledger: Ledger,
    iteration: int,
    inputs: Inputs,
    configuration: dict[str, Any],
) -> JudgeFile:
    """Returns the version's judge file, without its adapter's location and checksums."""
    trained, validation, evaluation, examples = inputs
    if trained.model is None:
        raise RegistryError(f"{trained.stage}/{trained.key} names no model: train again")
    prompts = load_prompts(config.prompts)
    digest = prompt_hash(prompts)
    if validation.expect(Scores).prompt_hash not in ("", digest):
        raise RegistryError(
            f"the prompts {config.prompts} have changed since they were validated: bring back what "
            "they were, or use another loop id"
        )
    return JudgeFile(
        model=trained.model,
        adapter_files={},
        loop_id=ledger.loop_id,
        iteration=iteration,
        config=configuration,
        manifests={made.stage: made.key for made in inputs},
        examples=tuple(shard.sha256 for shard in examples.shards),
        metrics=prefixed("validation", validation.expect(Scores).metrics())
        | prefixed("evaluation", evaluation.expect(Scores).metrics()),
        counts=prefixed("validation", validation.expect(Scores).card.counts())
        | prefixed("evaluation", evaluation.expect(Scores).card.counts()),
        prompt_files=prompts.files(),
        prompt_hash=digest,
        controls=control_arms(config.filtering.keep, _inherited(config, ledger)),
        judgeloop_version=judgeloop.__version__,
    )


def _inherited(config: RegisterSettings, ledger: Ledger) -> list[str]:
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


def _start(ledger: Ledger) -> dict[str, float]:
    """Returns the start model's figures on held-out pairs."""
    made = ledger.manifests("validate").get(BASE_ITERATION)
    return prefixed("validation", made[-1].expect(Scores).metrics()) if made else {}


def _publish(config: RegisterSettings, store: Store, made: _Made) -> str:
    """Creates the iteration's run and the version, if they do not exist; returns the version."""
    judge, metrics = made.judge, made.metrics
    parent = loop_run(config.registry.experiment, judge.loop_id, made.loop_hash)
    run = iteration_run(parent, judge.loop_id, judge.iteration)
    tags = {LOOP_TAG: judge.loop_id, ITERATION_TAG: str(judge.iteration)}
    tags |= {
        "judgeloop.base": judge.model.base,
    }
    if judge.controls:
        tags["judgeloop.controls"] = ",".join(judge.controls)
    examples = int(metrics.get("training/examples", 0))
    note = iteration_note(judge.iteration, examples, metrics, made.start)

    def fill(folder: Path) -> None:
        _bring_adapter(judge.model, store, folder / ADAPTER_FOLDER)
        write_judge_file(folder, judge)

    version, model_id = register_version(
        config.registry.model_name, fill, run, made.content, tags, note
    )
    params = flat(judge.config)
    about = loop_note(judge.loop_id, judge.model.base, config.loop.iterations)
    log_run(parent, prefixed("start", made.start), params, {NOTE_TAG: about})
    log_curves(parent, curve_points({BASE_ITERATION: made.start, judge.iteration: metrics}))
    shown = {"judgeloop.version": version, NOTE_TAG: note}
    log_run(run, metrics, params, shown, judge.iteration, model_id=model_id)
    log_curves(run, {"training/loss": made.losses})
    return version


def _bring_adapter(model: ModelRef, store: Store, folder: Path) -> None:
    """Copies the model's PEFT files into `folder`; does nothing for a base alone."""
    found = fetch_adapter(model, store, folder)
    if found is not None and found != folder:
        shutil.copytree(found, folder)


def _figures(manifest: Manifest) -> dict[str, float]:
    return manifest.result.metrics() if manifest.result else {}
