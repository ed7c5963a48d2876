"""Stage `register`: an iteration's judge becomes a version in MLflow, with all that made it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

import judgeloop
from judgeloop.config import Config
from judgeloop.errors import RegistryError
from judgeloop.keys import content_key
from judgeloop.ledger import Ledger
from judgeloop.models import fetch_adapter
from judgeloop.records import Manifest, ModelRef
from judgeloop.registry.judge_file import ADAPTER_FOLDER, JudgeFile, write_judge_file
from judgeloop.registry.tracking import (
    ITERATION_TAG,
    LOOP_TAG,
    flat,
    iteration_run,
    log_run,
    loop_run,
)
from judgeloop.registry.versions import register_version, version_uri
from judgeloop.shards import finish, finished
from judgeloop.store import Store

N = TypeVar("N", int, float)
Inputs = tuple[Manifest, Manifest, Manifest, Manifest]

STAGE = "register"
STAGE_VERSION = 1


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
        A manifest whose details hold `model_name`, `version` and `uri`, and whose metrics and
        counts hold those of validation and evaluation under `validation/` and `evaluation/`.

    Raises:
        RegistryError: MLflow cannot be used.
        StoreError: The adapter is missing or damaged.
    """
    inputs = (trained, validation, evaluation, examples)
    name = config.registry.model_name
    key = content_key(
        STAGE, STAGE_VERSION, [made.key for made in inputs], name, ledger.loop_id, iteration
    )
    done = finished(store, STAGE, key)
    if done is not None:
        return done
    judge = _describe(config, ledger.loop_id, iteration, inputs)
    logged = _prefixed("examples", examples.metrics) | _prefixed("training", trained.metrics)
    version = _publish(config, store, key, judge, logged | judge.metrics)
    manifest = Manifest(
        stage=STAGE,
        stage_version=STAGE_VERSION,
        key=key,
        counts=judge.counts,
        metrics=judge.metrics,
        model=judge.model,
        details={"model_name": name, "version": version, "uri": version_uri(name, version)},
        inputs=tuple(made.key for made in inputs),
    )
    return finish(store, manifest)


def _describe(config: Config, loop_id: str, iteration: int, inputs: Inputs) -> JudgeFile:
    """Returns the version's judge file, but for its adapter's place and checksums."""
    trained, validation, evaluation, examples = inputs
    if trained.model is None:
        raise RegistryError(f"{trained.stage}/{trained.key} names no model: train again")
    return JudgeFile(
        model=trained.model,
        adapter_files={},
        loop_id=loop_id,
        iteration=iteration,
        config=msgspec.to_builtins(config),
        manifests={made.stage: made.key for made in inputs},
        examples=tuple(shard.sha256 for shard in examples.shards),
        metrics=_prefixed("validation", validation.metrics)
        | _prefixed("evaluation", evaluation.metrics),
        counts=_prefixed("validation", validation.counts)
        | _prefixed("evaluation", evaluation.counts),
        judgeloop_version=judgeloop.__version__,
    )


def _publish(
    config: Config, store: Store, key: str, judge: JudgeFile, metrics: dict[str, float]
) -> str:
    """Writes the iteration's run and the version; returns the version."""
    parent = loop_run(config.registry.experiment, judge.loop_id)
    run = iteration_run(parent, judge.loop_id, judge.iteration)
    tags = {LOOP_TAG: judge.loop_id, ITERATION_TAG: str(judge.iteration)}
    tags |= {
        "judgeloop.base": judge.model.base,
        "judgeloop.adapter_sha256": judge.model.adapter_sha256,
        "judgeloop.keep": config.filtering.keep,
    }
    with tempfile.TemporaryDirectory(prefix="judgeloop-version-") as temporary:
        folder = Path(temporary) / "version"
        folder.mkdir()
        _bring_adapter(judge.model, store, folder / ADAPTER_FOLDER)
        write_judge_file(folder, judge)
        version, model_id = register_version(config.registry.model_name, folder, run, key, tags)
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


def _prefixed(prefix: str, values: Mapping[str, N]) -> dict[str, N]:
    return {f"{prefix}/{name}": value for name, value in values.items()}
