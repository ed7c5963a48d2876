"""Measures a judge on pairs with a known preference: one greedy judgement in each order.

`validate` and `evaluate` use it, on held-out synthetic pairs and on gold pairs.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from judgeloop.evaluation.items import item_results, probe_of, probe_share
from judgeloop.evaluation.scores import ScoreTally
from judgeloop.method.judging.orders import judge_pair
from judgeloop.method.prompts import prompt_hash
from judgeloop.method.steps import Steps
from judgeloop.prompt_sets import load_prompts
from judgeloop.runtime.inference import WHOLE, Records, Share
from judgeloop.runtime.progress import Progress
from judgeloop.runtime.stage_settings import InferenceSettings
from judgeloop.runtime.stages.inference import infer, inference_manifest
from judgeloop.schema.keys import content_key, fraction
from judgeloop.schema.records import ItemResult, Manifest, ModelRef, Pair
from judgeloop.schema.results import Scores
from judgeloop.schema.sampling import Sampling
from judgeloop.store import Store
from judgeloop.store.shards import Seen, read_shards

PROTOCOL = 3
"""Version of judging in both orders and reading verdicts; incremented when either changes."""


def measure(
    config: InferenceSettings,
    store: Store,
    stage: str,
    iteration: int,
    pairs: Manifest,
    model: ModelRef,
    sampling: Sampling,
    probes: bool = False,
    complete: Callable[[Scores], Scores] = lambda scores: scores,
    share: Share = WHOLE,
) -> Manifest:
    """Judges the pairs in both orders and scores the judge.

    Args:
        config: Its engine, prompts and seed are used.
        store: The store.
        stage: The caller's stage, under which the result is stored.
        iteration: For the progress display only.
        pairs: Manifest of the pairs.
        model: The judge.
        sampling: Sampling of its judgements.
        probes: Judge some pairs of identical answers too (`judgeloop.evaluation.items`).
        complete: Adds the caller's information on the pairs to the scores, before they are stored.
        share: Shards to judge; scores are computed for the whole only.

    Returns:
        The manifest: shards of ItemResult, one for each shard of pairs; the result is `Scores`.
    """
    seed = config.loop.seed
    inputs = {"model": model, "pairs": pairs}
    header = inference_manifest(stage, config, model, inputs, {"sampling": sampling})
    prompts = load_prompts(config.prompts)
    digest = prompt_hash(prompts)
    protocol = content_key(PROTOCOL, digest, sampling)
    tally = ScoreTally()

    probed = probe_share(pairs.rows) if probes else 0.0

    def steps(pair: Pair) -> Steps[Records]:
        results = item_results([pair], (yield from judge_pair(prompts, pair, sampling, 1, seed)))
        if fraction("probe", pair.id) < probed:
            probe = probe_of(pair)
            found = yield from judge_pair(prompts, probe, sampling, 1, seed)
            results += item_results([probe], found)
        return results

    def score(written: Manifest) -> Manifest:
        scores = msgspec.structs.replace(tally.scores(pairs.key, protocol), prompt_hash=digest)
        return msgspec.structs.replace(written, result=complete(scores))

    return infer(
        config,
        store,
        header,
        batches=read_shards(store, pairs, Pair),
        steps=steps,
        progress=lambda: Progress(f"{iteration:03d}/{stage}{share.suffix}", pairs.rows, "pairs"),
        complete=score,
        share=share,
        seen=Seen(ItemResult, lambda results, _: tally.add(results)),
    )
