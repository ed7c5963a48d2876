"""Records evaluations outside a loop on the evaluated version, and finds them again."""

from __future__ import annotations

import json
from collections.abc import Mapping

from judgeloop.registry.addresses import Resolved
from judgeloop.registry.client import connect, registry_errors
from judgeloop.registry.tracking import log_run, loop_run
from judgeloop.registry.versions import tag_version, version_tags
from judgeloop.schema.records import Manifest
from judgeloop.store import Store
from judgeloop.store.shards import finished

TAG = "judgeloop.evaluated."
"""Prefix of a version's tag, before the evaluation's content key."""
_SHOWN = ("n", "accuracy", "both_orders", "both_orders_over_best_base", "undecided")
_LOGGED = "models:/"
_STAGE = "evaluate"


def enter_evaluation(
    experiment: str,
    evaluation_id: str,
    identity: str,
    *,
    address: str | None,
    evaluation: str,
    store: str,
    metrics: Mapping[str, float],
    best_base_prompts: str = "",
) -> None:
    """Logs an evaluation's figures as a run and, for a registered version, on the version.

    Args:
        experiment: Experiment of the run; created if needed.
        evaluation_id: Name of the run.
        identity: Hash of the store and of the settings that decide the figures.
        address: `models:/name/version`; None for a judge that is not registered.
        evaluation: Content key of the results.
        store: URI of the store that holds them.
        metrics: The figures.
        best_base_prompts: The prompt set with which the judge's base judges best; empty if the base
            was not evaluated.

    Raises:
        RegistryError: There is no such version, or the server cannot be used.
    """
    run = loop_run(experiment, evaluation_id, identity)
    tags = {"judgeloop.evaluation": evaluation}
    best = {"best_base_prompts": best_base_prompts} if best_base_prompts else {}
    tags |= {f"judgeloop.{name}": prompts for name, prompts in best.items()}
    if address is None:
        log_run(run, metrics, {}, tags)
        return
    name, version = address.removeprefix(_LOGGED).rsplit("/", 1)
    client = connect()
    with registry_errors(f"cannot read {address}"):
        source = str(client.get_model_version(name, version).source)
    model_id = source.removeprefix(_LOGGED) if source.startswith(_LOGGED) else None
    log_run(run, metrics, {}, tags | {"judgeloop.version": address}, model_id=model_id)
    shown = {figure: metrics[figure] for figure in _SHOWN if figure in metrics}
    text = json.dumps({"store": store, "id": evaluation_id} | best | shown)
    tag_version(name, version, {f"{TAG}{evaluation}": text})


def results_of(version: Resolved, store: Store) -> list[Manifest]:
    """Returns the gold results of a version in a store: those of its own loop first.

    Raises:
        RegistryError: The server cannot be used.
        DataError, StoreError: A manifest cannot be read.
    """
    own = version.judge.manifests.get(_STAGE)
    keys = [own] if own else []
    keys += [key for key in evaluations_of(version.name, version.version) if key != own]
    return [found for key in keys if (found := finished(store, _STAGE, key))]


def evaluations_of(name: str, version: str) -> list[str]:
    """Returns the content keys of the evaluations recorded on a version, sorted.

    Raises:
        RegistryError: There is no such version, or the server cannot be used.
    """
    tags = version_tags(name, version)
    return sorted(tag.removeprefix(TAG) for tag in tags if tag.startswith(TAG))
