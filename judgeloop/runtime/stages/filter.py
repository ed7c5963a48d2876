"""Filter: judgements that agree with the synthetic preference become examples (paper, stage II)."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from judgeloop.data.rejections import quote_dropped
from judgeloop.evaluation.giveaway import explain_giveaway
from judgeloop.method.filtering.agreement import join_judgements, keep_judgements
from judgeloop.method.filtering.funnel import FunnelCounter
from judgeloop.method.filtering.subsample import Subsampler, example_name
from judgeloop.method.judging.orders import shown_answers
from judgeloop.method.prompts import PromptSet, load_prompts
from judgeloop.runtime.once import once
from judgeloop.runtime.stage_key import stage_manifest
from judgeloop.schema.config import Config, FilteringSection
from judgeloop.schema.errors import DataError
from judgeloop.schema.records import Example, Judgement, Manifest, Pair
from judgeloop.store import Store
from judgeloop.store.shards import Work, read_shards, write_shards

STAGE = "filter"
_log = logging.getLogger(__name__)

Judged = tuple[Pair, tuple[Judgement, ...]]


def filter_judgements(
    config: Config, store: Store, pairs: Sequence[Manifest], judgements: Sequence[Manifest]
) -> Manifest:
    """Keeps what agrees and writes it as examples.

    Everything is read twice, a shard at a time: first to count and to draw, then to write.

    Args:
        config: Its `filtering` section decides.
        store: The store.
        pairs: Manifests of pairs, of all partitions.
        judgements: Manifests of their judgements, in any order: joined by the pairs' content key.

    Returns:
        The manifest: shards of Example; the result is the `Funnel`.

    Raises:
        DataError: The pairs and judgements don't belong together, or are not those of all
            partitions.
    """
    settings = config.filtering
    prompts = load_prompts(config.prompts)
    joined = _join(pairs, judgements, config.loop.partitions)
    header = stage_manifest(STAGE, config, judgements=[judged for _, judged in joined])
    return once(store, STAGE, header.key, lambda _: _keep(store, header, joined, settings, prompts))


def _keep(
    store: Store,
    header: Manifest,
    joined: Sequence[tuple[Manifest, Manifest]],
    settings: FilteringSection,
    prompts: PromptSet,
) -> Manifest:
    counter, seed = FunnelCounter(), header.seed
    subsampler = Subsampler(settings, seed)
    for batch in _judged_shards(store, joined):
        for pair, found in batch:
            outcome = keep_judgements(pair, found, settings, seed)
            counter.add(pair, found, outcome)
            subsampler.add(outcome.kept)
    subsampler.close()

    def work(batch: Sequence[Judged]) -> Work:
        return Work(
            [
                _example(prompts, pair, judgement)
                for pair, found in batch
                for judgement in keep_judgements(pair, found, settings, seed).kept
                if subsampler.includes(judgement)
            ]
        )

    written = write_shards(store, header, _judged_shards(store, joined), work)
    made = [pairs for pairs, _ in joined]
    unpaired: Counter[str] = Counter()
    for pairs in made:
        unpaired.update(pairs.dropped)
    funnel = msgspec.structs.replace(
        counter.funnel(),
        unpaired=dict(sorted(unpaired.items())),
        first_unpaired=quote_dropped(store, made),
        examples=written.rows,
        capped=subsampler.candidates - written.rows,
    )
    giveaway = explain_giveaway(funnel.blind_guesses, funnel.blind_right)
    if giveaway is not None:
        _log.warning("filter: %s", giveaway)
    return msgspec.structs.replace(written, result=funnel)


def _join(
    pairs: Sequence[Manifest], judgements: Sequence[Manifest], partitions: int
) -> list[tuple[Manifest, Manifest]]:
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


def _judged_shards(
    store: Store, joined: Sequence[tuple[Manifest, Manifest]]
) -> Iterator[list[Judged]]:
    for pairs, judged in joined:
        for batch, found in zip(
            read_shards(store, pairs, Pair), read_shards(store, judged, Judgement), strict=True
        ):
            yield [(pair, tuple(group)) for pair, group in join_judgements(batch, found)]


def _example(prompts: PromptSet, pair: Pair, judgement: Judgement) -> Example:
    answer_a, answer_b = shown_answers(pair, judgement.order)
    return Example(
        id=example_name(judgement),
        images=pair.question.images,
        prompt=prompts.judge(pair.question, answer_a, answer_b),
        completion=judgement.text,
    )
