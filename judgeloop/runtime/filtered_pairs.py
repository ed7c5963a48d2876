"""Applies filtering to each judged pair, for the stage and for views of its pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from judgeloop.method.filtering.agreement import (
    Fault,
    Outcome,
    agreeing,
    join_judgements,
    keep_judgements,
)
from judgeloop.method.filtering.last_verdict import contradicts
from judgeloop.method.filtering.reasons import SharedSentences
from judgeloop.method.filtering.sieve import Sieve
from judgeloop.schema.method_sections import FilteringSection
from judgeloop.schema.records import Dropped, Judgement, Manifest, Pair
from judgeloop.store.base import Reader
from judgeloop.store.disk_dict import DiskDict
from judgeloop.store.shards import read_rows, read_shards

Judged = tuple[Pair, tuple[Judgement, ...]]
Joined = tuple[Manifest, Manifest]
"""Pairs and their judgements."""


class Filtered(NamedTuple):
    """One pair, its judgements, and whether they are kept."""

    pair: Pair
    judgements: tuple[Judgement, ...]
    outcome: Outcome


def filtered_shards(
    store: Reader,
    joined: Sequence[Joined],
    last: Mapping[str, Manifest],
    settings: FilteringSection,
    seed: int,
) -> Iterator[tuple[list[Filtered], list[Dropped]]]:
    """Yields a shard's pairs with their filtering outcome, and the dropped rows.

    Args:
        store: Store of the shards.
        joined: Pairs and judgements of all partitions.
        last: The last earlier judgements of the same pairs, by the key of the pairs.
        settings: Which judgements are kept.
        seed: Seed of the loop.

    Raises:
        DataError, StoreError: A shard cannot be read.
    """
    shared = _shared_sentences(store, joined, settings, seed)
    sieve = Sieve(settings, shared, DiskDict[str, str]())
    earlier = _earlier(store, joined, last)

    def filtered(pair: Pair, found: tuple[Judgement, ...]) -> Filtered:
        against = contradicts(settings, next(earlier))
        fault: Fault = (lambda *_: "last_verdict") if against else sieve.fault
        return Filtered(pair, found, keep_judgements(pair, found, settings, seed, fault))

    for batch, dropped in judged_shards(store, joined):
        yield [filtered(*one) for one in batch], dropped


def judged_shards(
    store: Reader, joined: Sequence[Joined]
) -> Iterator[tuple[list[Judged], list[Dropped]]]:
    """Yields a shard's pairs with their judgements, and the dropped rows."""
    for pairs, judged in joined:
        for (batch, dropped), found in zip(
            read_rows(store, pairs, Pair), read_shards(store, judged, Judgement), strict=True
        ):
            yield [(pair, tuple(group)) for pair, group in join_judgements(batch, found)], dropped


def _shared_sentences(
    store: Reader,
    joined: Sequence[Joined],
    settings: FilteringSection,
    seed: int,
) -> SharedSentences | None:
    """Counts the sentences of all agreeing traces, if the settings need the counts."""
    if settings.max_sentence_share is None:
        return None
    shared = SharedSentences(settings.max_sentence_share)
    for batch, _ in judged_shards(store, joined):
        for pair, found in batch:
            shared.add(agreeing(pair, found, settings, seed).kept)
    return shared


def _earlier(
    store: Reader, joined: Sequence[Joined], last: Mapping[str, Manifest]
) -> Iterator[Sequence[Judgement]]:
    """Yields the last judge's judgements of each pair; empty if there was no earlier judge."""
    for pairs, _ in joined:
        if pairs.key not in last:
            yield from (() for _ in range(pairs.rows))
            continue
        for batch, _ in judged_shards(store, [(pairs, last[pairs.key])]):
            yield from (found for _, found in batch)
