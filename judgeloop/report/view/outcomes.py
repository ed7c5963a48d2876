"""The filter's decision about each pair of an iteration, recomputed from its judgements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from judgeloop.method.filtering.funnel import FURTHER, KEPT
from judgeloop.method.filtering.subsample import Subsampler
from judgeloop.runtime.filtered_pairs import Joined, filtered_shards
from judgeloop.schema.method_sections import FilteringSection
from judgeloop.schema.records import Judgement, Manifest, Pair
from judgeloop.store import Store

_WORDS = {
    "undecided": "no sample has a verdict in both orders",
    "disagreeing": "no judgement agrees with the preference",
    "one_order": "right in one order only, so position decided",
    **FURTHER,
}


class Explained(NamedTuple):
    """A pair, and whether and why it is used for training."""

    pair: Pair
    judgements: Sequence[Judgement]
    kept: bool
    said: str


def explained(
    store: Store,
    joined: Sequence[Joined],
    last: Mapping[str, Manifest],
    settings: FilteringSection,
    seed: int,
) -> Iterator[Explained]:
    """Yields the pairs of an iteration with the filter's decision, in the filter's order.

    Args:
        store: The loop's store.
        joined: Pairs and judgements of all partitions.
        last: The last earlier judgements of the same pairs, by the key of the pairs.
        settings: The loop's `filtering` section.
        seed: The loop's seed.

    Raises:
        DataError, StoreError: A shard cannot be read.
    """
    drawn = Subsampler(settings, seed)
    for batch, _ in filtered_shards(store, joined, last, settings, seed):
        for pair, _, outcome in batch:
            drawn.add(pair, outcome.kept)
    drawn.close()
    for batch, _ in filtered_shards(store, joined, last, settings, seed):
        for pair, found, outcome in batch:
            kept = outcome.reason == KEPT
            trains = any(drawn.includes(each) for each in outcome.kept)
            said = f"dropped: {_WORDS.get(outcome.reason, outcome.reason)}"
            if kept:
                said = "kept" if trains else "kept, and left out by a limit on the examples"
            yield Explained(pair, found, kept, said)
