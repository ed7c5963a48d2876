"""Judge: every pair, both orders, with reasoning, by the current judge (paper, stage II)."""

from __future__ import annotations

from collections import Counter

import msgspec

from judgeloop.method.judging.orders import judge_pair
from judgeloop.method.prompts import load_prompts
from judgeloop.runtime.progress import Progress
from judgeloop.runtime.stages.inference import engine_identity, infer, sampling_text
from judgeloop.schema.config import Config
from judgeloop.schema.keys import content_key
from judgeloop.schema.records import Choice, Judgement, Manifest, ModelRef, Pair
from judgeloop.store import Store
from judgeloop.store.shards import read_records, read_shards

STAGE = "judge"
VERSION = 2


def judge(
    config: Config, store: Store, iteration: int, partition: int, pairs: Manifest, model: ModelRef
) -> Manifest:
    """Judges one partition's pairs.

    Returns:
        The manifest: shards of Judgement, one for each shard of pairs; counts `inputs` (pairs),
        `rows` (judgements), `verdict/A`, `verdict/B`, `undecided/<reason>`, `agreeing` and
        `tokens/completion`.
    """
    settings, identity, seed = config.judging, engine_identity(config), config.loop.seed
    key = content_key(STAGE, VERSION, settings, identity, model.content(), pairs.key, seed)
    header = Manifest(
        stage=STAGE,
        stage_version=VERSION,
        key=key,
        model=model,
        inputs=(pairs.key,),
        partition=partition,
        seed=seed,
        details=identity | {"sampling": sampling_text(settings.sampling)},
    )
    prompts = load_prompts(config.prompts)
    return infer(
        config,
        store,
        header,
        model,
        batches=read_shards(store, pairs, Pair),
        steps=lambda pair: judge_pair(prompts, pair, settings.sampling, settings.samples, seed),
        progress=lambda: Progress(f"{iteration:03d}/{STAGE}/p{partition:03d}", pairs.rows, "pairs"),
        complete=lambda written: _count_verdicts(store, written),
    )


def _count_verdicts(store: Store, manifest: Manifest) -> Manifest:
    counts, tokens = Counter(manifest.counts), 0
    for judgement in read_records(store, manifest, Judgement):
        verdict = judgement.verdict
        if verdict.choice is Choice.UNDECIDED:
            counts[f"undecided/{verdict.reason}"] += 1
        else:
            counts[f"verdict/{verdict.choice}"] += 1
        counts["agreeing"] += judgement.agrees is True
        tokens += judgement.tokens
    counts.setdefault("tokens/completion", tokens)  # an endpoint has counted for itself
    return msgspec.structs.replace(manifest, counts=dict(sorted(counts.items())))
