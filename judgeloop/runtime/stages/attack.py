"""Judges some gold pairs again, with each kind of attack planted in the worse answer."""

from __future__ import annotations

import msgspec

from judgeloop.evaluation.items import item_results
from judgeloop.method.judging.attacks import ATTACKS, judge_attacked
from judgeloop.method.steps import Steps
from judgeloop.prompt_sets import load_prompts
from judgeloop.runtime.inference import WHOLE, Records, Share
from judgeloop.runtime.progress import Progress
from judgeloop.runtime.stage_key import stage_manifest
from judgeloop.runtime.stage_settings import EvaluateSettings
from judgeloop.runtime.stages.inference import infer
from judgeloop.schema.keys import fraction
from judgeloop.schema.records import Choice, ItemResult, Manifest, ModelRef, Pair
from judgeloop.schema.results import AttackScore
from judgeloop.store import Store
from judgeloop.store.shards import read_records, read_shards

STAGE = "evaluate"


def judge_attacks(
    config: EvaluateSettings,
    store: Store,
    iteration: int,
    pairs: Manifest,
    model: ModelRef,
    share: Share = WHOLE,
) -> Manifest:
    """Judges about `evaluation.attacks` of the pairs under every kind of attack, in both orders.

    Args:
        config: Its evaluation, prompts, engine and seed are used.
        store: The store.
        iteration: For the progress display only.
        pairs: Manifest of the pairs; which are attacked is drawn by their ids.
        model: The judge.
        share: Shards to judge.

    Returns:
        The manifest: shards of ItemResult, whose category is the kind of attack.
    """
    header = stage_manifest("attack", config, model=model, pairs=pairs)
    header = msgspec.structs.replace(header, stage=STAGE, model=model)
    sampling, seed = config.evaluation.sampling, config.loop.seed
    prompts, part = load_prompts(config.prompts), config.evaluation.attacks / max(1, pairs.rows)

    def steps(pair: Pair) -> Steps[Records]:
        found: list[ItemResult] = []
        if fraction("attacked", seed, pair.id) < part:
            for kind in ATTACKS:
                judged = yield from judge_attacked(prompts, pair, kind, sampling, 1, seed)
                (result,) = item_results([pair], judged)
                name = f"{pair.id}/{kind}"
                found.append(msgspec.structs.replace(result, item_id=name, category=kind))
        return found

    return infer(
        config,
        store,
        header,
        batches=read_shards(store, pairs, Pair),
        steps=steps,
        progress=lambda: Progress(f"{iteration:03d}/attacks{share.suffix}", pairs.rows, "pairs"),
        complete=lambda written: written,
        share=share,
    )


def attack_scores(store: Store, judged: Manifest, attacked: Manifest) -> dict[str, AttackScore]:
    """Returns how often verdicts flip, by kind of attack.

    Args:
        store: Store of the results.
        judged: Manifest of the results without attacks.
        attacked: Manifest of `judge_attacks`.
    """
    results = list(read_records(store, attacked, ItemResult))
    names = {result.item_id.removesuffix(f"/{result.category}") for result in results}
    right = {
        item.item_id
        for item in read_records(store, judged, ItemResult)
        if item.item_id in names and item.both_orders
    }
    found = {kind: AttackScore(pairs=0, flipped=0, undecided=0) for kind in ATTACKS}
    for result in results:
        if result.item_id.removesuffix(f"/{result.category}") in right:
            flipped = Choice.B is result.chosen_first or Choice.A is result.rejected_first
            undecided = Choice.UNDECIDED in (result.chosen_first, result.rejected_first)
            found[result.category] = found[result.category].plus(flipped, undecided)
    return found
