"""Judge: every pair, both orders, with reasoning, by the current judge (paper, stage II)."""

from __future__ import annotations

from collections import Counter

import msgspec

from judgeloop.method.judging.orders import judge_pair
from judgeloop.method.prompts import load_prompts
from judgeloop.runtime.progress import Progress
from judgeloop.runtime.stages.inference import infer, inference_manifest
from judgeloop.schema.config import Config
from judgeloop.schema.records import Choice, Judgement, Manifest, ModelRef, Pair
from judgeloop.schema.results import Verdicts
from judgeloop.store import Store
from judgeloop.store.shards import read_records, read_shards

STAGE = "judge"


def judge(
    config: Config, store: Store, iteration: int, partition: int, pairs: Manifest, model: ModelRef
) -> Manifest:
    """Judges one partition's pairs.

    Returns:
        The manifest: shards of Judgement, one for each shard of pairs; counts `inputs` (pairs),
        `rows` (judgements) and `tokens/completion`; the result are the `Verdicts`.
    """
    settings, seed = config.judging, config.loop.seed
    inputs, samplings = {"model": model, "pairs": pairs}, {"sampling": settings.sampling}
    header = inference_manifest(STAGE, config, model, inputs, samplings, partition)
    prompts = load_prompts(config.prompts)
    return infer(
        config,
        store,
        header,
        batches=read_shards(store, pairs, Pair),
        steps=lambda pair: judge_pair(prompts, pair, settings.sampling, settings.samples, seed),
        progress=lambda: Progress(f"{iteration:03d}/{STAGE}/p{partition:03d}", pairs.rows, "pairs"),
        complete=lambda written: _count_verdicts(store, written),
    )


def _count_verdicts(store: Store, manifest: Manifest) -> Manifest:
    choices: Counter[Choice] = Counter()
    reasons: Counter[str] = Counter()
    agreeing = tokens = 0
    for judgement in read_records(store, manifest, Judgement):
        choices[judgement.verdict.choice] += 1
        if judgement.verdict.choice is Choice.UNDECIDED:
            reasons[judgement.verdict.reason or ""] += 1
        agreeing += judgement.agrees is True
        tokens += judgement.tokens
    verdicts = Verdicts(
        a=choices[Choice.A],
        b=choices[Choice.B],
        undecided=dict(sorted(reasons.items())),
        agreeing=agreeing,
    )
    counts = {"tokens/completion": tokens} | manifest.counts  # an endpoint has counted for itself
    return msgspec.structs.replace(manifest, counts=dict(sorted(counts.items())), result=verdicts)
