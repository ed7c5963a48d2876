"""The stages of an evaluation outside a loop: shares of the judging, then the record of results.

`judge_sets` runs once per partition and writes shards of `evaluate`'s own results; `record` finds
them, completes the scores as a loop's `evaluate` would, and writes them to the version in MLflow,
and to a page and a table in the store. So a loop and an evaluation share judgements.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec

from judgeloop.registry.client import wait_for_server
from judgeloop.registry.evaluations import enter_evaluation
from judgeloop.report.evaluated import evaluation_files
from judgeloop.runtime.inference import Share
from judgeloop.runtime.ledger import BASE_ITERATION, Ledger
from judgeloop.runtime.stage_key import stage_manifest
from judgeloop.runtime.stage_settings import (
    EvaluationAlone,
    JudgeSetsSettings,
    RecordSettings,
)
from judgeloop.runtime.stages.evaluate import evaluate, judge_share
from judgeloop.schema.errors import DataError
from judgeloop.schema.records import Manifest, ModelRef
from judgeloop.schema.results import Resolved, Scores
from judgeloop.store import Store
from judgeloop.store.shards import finish


def judge_sets(
    config: JudgeSetsSettings, store: Store, iteration: int, partition: int, model: ModelRef
) -> Manifest:
    """Judges one partition's share of the gold pairs and of every set of `evaluation.benchmarks`.

    They are judged by the judge, and by its base with each prompt set of `evaluation.base_prompts`.

    Returns:
        A manifest with the counts of all sets added up; the shards are `evaluate`'s.
    """
    share = Share(partition, config.loop.partitions)
    made = judge_share(config, store, iteration, model, share)
    for settings, base in _bases(config, model).values():
        made += judge_share(settings, store, iteration, base, share)
    counts: dict[str, int] = {}
    for one in made:
        for name, count in one.counts.items():
            counts[name] = counts.get(name, 0) + count
    return msgspec.structs.replace(
        stage_manifest("judge_sets", config, model=model, partition=partition, sets=made),
        model=model,
        partition=partition,
        counts=dict(sorted(counts.items())),
    )


def record(
    config: RecordSettings, store: Store, ledger: Ledger, model: ModelRef, loop_hash: str
) -> Manifest:
    """Completes an evaluation whose sets are judged, and records its figures.

    A registered version (`model.start`) gets them as a tag and as metrics of its logged model;
    every judge gets a run of its own in `registry.experiment`, which `loop_hash` distinguishes from
    that of another evaluation with its id. The figures of its base with each prompt set are
    recorded as `base/<prompts>/...`. Idempotent.

    Returns:
        A manifest with the `Scores`, made from the evaluation's.

    Raises:
        DataError: The ledger does not name the judge.
        RegistryError: MLflow cannot be used.
    """
    evaluation = evaluate(config, store, BASE_ITERATION, model)
    scores = evaluation.expect(Scores)
    bases = {
        name: evaluate(settings, store, BASE_ITERATION, base)
        for name, (settings, base) in _bases(config, model).items()
    }
    based = {prompts: made.expect(Scores) for prompts, made in bases.items()}
    resolved = ledger.manifests("resolve").get(BASE_ITERATION)
    if not resolved:
        raise DataError(f"evaluation {ledger.loop_id} has no record of its judge: run it again")
    start = resolved[0].expect(Resolved)
    header = stage_manifest(
        "record",
        config,
        loop_id=ledger.loop_id,
        model=model,
        evaluation=[evaluation, *bases.values()],
    )
    wait_for_server()
    enter_evaluation(
        config.registry.experiment,
        ledger.loop_id,
        loop_hash,
        address=_address(start),
        evaluation=evaluation.key,
        store=store.uri,
        metrics=scores.metrics() | {"n": float(scores.card.n)} | _beside_bases(scores, based),
        best_base_prompts=_best_prompts(based),
    )
    name = _address(start) or _name(model)
    rows = {name: scores} | {f"base, prompts {row}": one for row, one in based.items()}
    for file, text in evaluation_files(ledger.loop_id, rows).items():
        store.write(f"loops/{ledger.loop_id}/report/{file}", text.encode())
    made = msgspec.structs.replace(
        header,
        model=model,
        result=scores,
        details=evaluation.details | {"judge": name, "sets": json.dumps(sorted(scores.further))},
    )
    return finish(store, made)


def _bases(config: EvaluationAlone, model: ModelRef) -> dict[str, tuple[EvaluationAlone, ModelRef]]:
    """Returns the results of the judge's base, by prompt set of `evaluation.base_prompts`."""
    base = msgspec.structs.replace(model, adapter=None, adapter_sha256="")
    return {
        name: (msgspec.structs.replace(config, prompts=name), base)
        for name in config.evaluation.base_prompts
    }


def _beside_bases(scores: Scores, bases: Mapping[str, Scores]) -> dict[str, float]:
    """Returns the base's figures by prompt set, and the judge's lead over the best of them."""
    if not bases:
        return {}
    found = {
        f"base/{prompts}/{name}": value
        for prompts, base in bases.items()
        for name, value in base.metrics().items()
    }
    best = bases[_best_prompts(bases)].card.both_orders
    return found | {"both_orders_over_best_base": scores.card.both_orders - best}


def _best_prompts(bases: Mapping[str, Scores]) -> str:
    """Returns the prompt set with which the base judges best; empty if there is none."""
    return max(bases, key=lambda prompts: bases[prompts].card.both_orders, default="")


def _address(start: Resolved) -> str | None:
    """Returns the version's address by its number, wherever an alias points now."""
    if start.start is None or start.version is None:
        return None
    name = start.start.removeprefix("models:/").partition("@")[0].partition("/")[0]
    return f"models:/{name}/{start.version}"


def _name(model: ModelRef) -> str:
    return model.base if model.revision is None else f"{model.base}@{model.revision[:12]}"
