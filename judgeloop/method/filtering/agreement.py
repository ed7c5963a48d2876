"""Decides for one pair which of its judgements are kept, and why the others are not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from judgeloop.schema.config import FilteringSection
from judgeloop.schema.errors import DataError
from judgeloop.schema.keys import fraction
from judgeloop.schema.records import Choice, Judgement, Order, Pair


class Outcome(msgspec.Struct, frozen=True):
    """What became of one pair.

    `reason` is `kept`, or why nothing was: `undecided` (no sample is decided in both orders),
    `disagreeing` (none agrees in any order), `one_order` (agreement in one order only: position
    decides).
    """

    reason: str
    kept: tuple[Judgement, ...] = ()


def join_judgements(
    pairs: Sequence[Pair], judgements: Sequence[Judgement]
) -> list[tuple[Pair, list[Judgement]]]:
    """Joins pairs with their judgements by id.

    Raises:
        DataError: A judgement is of no pair here, or a pair has none.
    """
    by_pair: dict[str, list[Judgement]] = {pair.id: [] for pair in pairs}
    for judgement in judgements:
        if judgement.pair_id not in by_pair:
            raise DataError(f"judgement of pair {judgement.pair_id}, which is not in its shard")
        by_pair[judgement.pair_id].append(judgement)
    missing = [pair_id for pair_id, found in by_pair.items() if not found]
    if missing:
        raise DataError(f"{len(missing)} pairs have no judgement, the first is {missing[0]}")
    return [(pair, by_pair[pair.id]) for pair in pairs]


def keep_judgements(
    pair: Pair, judgements: Sequence[Judgement], settings: FilteringSection, seed: int
) -> Outcome:
    """Keeps a pair's judgements that agree with its preference (paper, stage II).

    With `both_orders`, a sample is kept only where its judgements in both orders agree; both become
    examples, so that A and B are balanced by construction. The arms `unfiltered` and `shuffled` are
    the study's controls: see `FilteringSection`.
    """
    decided = [j for j in judgements if j.verdict.choice is not Choice.UNDECIDED]
    by_sample: dict[int, list[Judgement]] = defaultdict(list)
    for judgement in decided:
        by_sample[judgement.sample].append(judgement)
    whole = [both for both in by_sample.values() if len(both) == len(Order)]
    if not whole:
        return Outcome(reason="undecided")
    if settings.keep == "unfiltered":
        return Outcome(reason="kept", kept=tuple(j for both in whole for j in both))
    flip = settings.keep == "shuffled" and fraction("shuffle", seed, pair.id) < 0.5
    agreeing = [[j for j in both if bool(j.agrees) != flip] for both in whole]
    needed = len(Order) if settings.both_orders else 1
    kept = [j for group in agreeing if len(group) >= needed for j in group]
    if kept:
        return Outcome(reason="kept", kept=tuple(kept))
    return Outcome(reason="one_order" if any(agreeing) else "disagreeing")
