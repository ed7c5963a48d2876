"""Filter: judgements that agree with the synthetic preference become examples (paper, stage II)."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec

from judgeloop.data.rejections import Rejections
from judgeloop.evaluation.giveaway import explain_giveaway
from judgeloop.method.filtering.agreement import agreeing
from judgeloop.method.filtering.funnel import FunnelCounter
from judgeloop.method.filtering.subsample import Subsampler, example_name
from judgeloop.method.judging.known_pairs import answers_with_attack
from judgeloop.method.prompts import PromptSet
from judgeloop.prompt_sets import load_prompts
from judgeloop.runtime.filtered_pairs import Joined, Judged, filtered_shards, judged_shards
from judgeloop.runtime.ledger import Ledger
from judgeloop.runtime.once import Turn, once
from judgeloop.runtime.stage_key import stage_manifest
from judgeloop.runtime.stage_settings import FilterSettings
from judgeloop.schema.errors import DataError
from judgeloop.schema.method_sections import FilteringSection
from judgeloop.schema.records import Example, Judgement, Manifest, Pair
from judgeloop.store import Store
from judgeloop.store.base import Reader
from judgeloop.store.nearby import nearby
from judgeloop.store.shards import Work, write_shards

STAGE = "filter"
_log = logging.getLogger(__name__)

JUDGE = "judge"


def filter_judgements(
    config: FilterSettings,
    store: Store,
    pairs: Sequence[Manifest],
    judgements: Sequence[Manifest],
    ledger: Ledger | None = None,
    iteration: int = 1,
) -> Manifest:
    """Keeps agreeing judgements and writes them as examples.

    There are two passes, a shard at a time: one to count and to sample, one to write, and another
    before them if shared sentences are counted. From the second pass on the shards are read
    from a local copy (`judgeloop.store.nearby`).

    Args:
        config: Its `filtering` section is used.
        store: The store.
        pairs: Manifests of pairs, of all partitions.
        judgements: Manifests of their judgements, in any order: joined by the pairs' content key.
        ledger: Source of earlier judges' judgements of the same pairs; None: there are none.
        iteration: Defines which iterations are earlier ones.

    Returns:
        The manifest: shards of Example; the result is the `Funnel`.

    Raises:
        DataError: The pairs and judgements don't belong together, or partitions are missing.
    """
    settings = config.filtering
    prompts = load_prompts(config.prompts)
    joined = _join(pairs, judgements, config.loop.partitions)
    last = _last_judged(config, ledger, iteration, joined)
    header = stage_manifest(
        STAGE, config, judgements=[judged for _, judged in joined], last=list(last.values())
    )

    def make(turn: Turn) -> Manifest:
        with nearby(store) as near:
            write = partial(write_shards, store, header, stored=turn.stored)
            return _keep(near, write, joined, last, settings, prompts, header.seed)

    return once(store, STAGE, header.key, make)


def _last_judged(
    config: FilterSettings, ledger: Ledger | None, iteration: int, joined: Sequence[Joined]
) -> dict[str, Manifest]:
    """Returns the last earlier judgements of the same pairs, by key, if the settings use them."""
    if config.filtering.last_verdict == "ignored" or ledger is None:
        return {}
    wanted = {pairs.key for pairs, _ in joined}
    earlier = sorted(ledger.manifests(JUDGE).items(), key=lambda item: item[0])
    return {
        made.inputs[0]: made
        for number, parts in earlier
        for made in parts
        if number < iteration and made.inputs[0] in wanted
    }


def _keep(
    near: Reader,
    write: Callable[..., Manifest],
    joined: Sequence[Joined],
    last: Mapping[str, Manifest],
    settings: FilteringSection,
    prompts: PromptSet,
    seed: int,
) -> Manifest:
    counter, rejections = FunnelCounter(), Rejections()
    subsampler = Subsampler(settings, seed)
    for batch, dropped in filtered_shards(near, joined, last, settings, seed):
        for pair, found, outcome in batch:
            counter.add(pair, found, outcome)
            subsampler.add(pair, outcome.kept)
        for row in dropped:
            rejections.add(row)
    subsampler.close()

    def work(batch: Sequence[Judged]) -> Work:
        return Work(
            [
                _example(prompts, pair, judgement)
                for pair, found in batch
                for judgement in agreeing(pair, found, settings, seed).kept
                if subsampler.includes(judgement)
            ]
        )

    batches = (batch for batch, _ in judged_shards(near, joined))
    written = write(batches, work)
    unpaired: Counter[str] = Counter()
    for pairs, _ in joined:
        unpaired.update(pairs.dropped)
    funnel = msgspec.structs.replace(
        counter.funnel(),
        unpaired=dict(sorted(unpaired.items())),
        first_unpaired=rejections.most_frequent(),
        examples=written.rows,
        capped=subsampler.candidates - written.rows,
        capped_by=dict(sorted(subsampler.left_out.items())),
    )
    giveaway = explain_giveaway(funnel.blind_guesses, funnel.blind_right)
    if giveaway is not None:
        _log.warning("filter: %s", giveaway)
    return msgspec.structs.replace(written, result=funnel)


def _join(
    pairs: Sequence[Manifest], judgements: Sequence[Manifest], partitions: int
) -> list[Joined]:
    by_key = {manifest.inputs[0]: manifest for manifest in judgements}
    missing = [manifest.key for manifest in pairs if manifest.key not in by_key]
    if missing or len(by_key) != len(pairs):
        raise DataError(f"filter: pairs and judgements don't belong together (pairs {missing})")
    found = sorted(-1 if manifest.partition is None else manifest.partition for manifest in pairs)
    if found != list(range(partitions)):
        raise DataError(
            f"filter: got the pairs of partitions {found}, but loop.partitions is {partitions}, so "
            f"some questions would be missing; compile and run the pipeline with {partitions} "
            f"partition(s), or set loop.partitions={len(found)} and use another loop id"
        )
    ordered = sorted(pairs, key=lambda manifest: (manifest.partition or 0, manifest.key))
    return [(manifest, by_key[manifest.key]) for manifest in ordered]


def _example(prompts: PromptSet, pair: Pair, judgement: Judgement) -> Example:
    answer_a, answer_b = answers_with_attack(prompts, pair, judgement.attack, judgement.order)
    return Example(
        id=example_name(judgement),
        images=pair.question.images,
        prompt=prompts.judge(pair.question, answer_a, answer_b),
        completion=judgement.text,
    )
