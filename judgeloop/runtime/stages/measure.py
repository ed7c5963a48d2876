"""Measures a judge on pairs with a known preference: one greedy judgement in each order.

`validate` and `evaluate` are this, on held-out synthetic pairs and on gold pairs.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from judgeloop.evaluation.items import item_results
from judgeloop.evaluation.scorecard import scorecard
from judgeloop.method.judging.orders import judge_pair
from judgeloop.method.prompts import load_prompts
from judgeloop.method.steps import Steps
from judgeloop.runtime.identity import engine_identity, prompts_identity, sampling_text
from judgeloop.runtime.inference import Records
from judgeloop.runtime.progress import Progress
from judgeloop.runtime.stage_key import stage_manifest
from judgeloop.runtime.stages.inference import infer
from judgeloop.schema.config import Config
from judgeloop.schema.records import ItemResult, Manifest, ModelRef, Pair
from judgeloop.schema.sampling import Sampling
from judgeloop.store import Store
from judgeloop.store.shards import read_records, read_shards


def measure(
    config: Config,
    store: Store,
    stage: str,
    iteration: int,
    pairs: Manifest,
    model: ModelRef,
    sampling: Sampling,
    complete: Callable[[Manifest], Manifest] = lambda manifest: manifest,
) -> Manifest:
    """Judges the pairs in both orders and scores the judge.

    Args:
        config: Its engine, prompts and seed decide.
        store: Where everything lies.
        stage: The caller's stage, under which the result is stored.
        iteration: For the progress only.
        pairs: Manifest of the pairs.
        model: The judge.
        sampling: How it is asked.
        complete: Adds to the manifest, before it is stored, what the caller knows of the pairs.

    Returns:
        The manifest: shards of ItemResult, one for each shard of pairs; metrics and counts of the
        scorecard; `details["pairs"]` is the content key of the pairs.
    """
    seed = config.loop.seed
    header = msgspec.structs.replace(
        stage_manifest(stage, config, model=model, pairs=pairs),
        model=model,
        details=engine_identity(config)
        | prompts_identity(config)
        | {"sampling": sampling_text(sampling), "pairs": pairs.key},
    )
    prompts = load_prompts(config.prompts)

    def steps(pair: Pair) -> Steps[Records]:
        judgements = yield from judge_pair(prompts, pair, sampling, 1, seed)
        return item_results([pair], judgements)

    def score(written: Manifest) -> Manifest:
        card = scorecard(read_records(store, written, ItemResult))
        counts = dict(sorted((written.counts | card.counts()).items()))
        return complete(msgspec.structs.replace(written, metrics=card.metrics(), counts=counts))

    return infer(
        config,
        store,
        header,
        model,
        batches=read_shards(store, pairs, Pair),
        steps=steps,
        progress=lambda: Progress(f"{iteration:03d}/{stage}", pairs.rows, "pairs"),
        complete=score,
    )
