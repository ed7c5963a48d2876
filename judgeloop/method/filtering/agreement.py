"""Decides for one pair which of its judgements are kept, and why the others are not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from itertools import zip_longest

import msgspec

from judgeloop.schema.errors import DataError
from judgeloop.schema.keys import fraction
from judgeloop.schema.method_sections import FilteringSection
from judgeloop.schema.records import Choice, Judgement, Order, Pair


class Outcome(msgspec.Struct, frozen=True):
    """The result of filtering one pair.

    `reason` is `kept`, or why nothing was: `undecided` (no sample is decided in both orders),
    `disagreeing` (none agrees in any order), `one_order` (agreement in one order only: position
    decides), `minority` (samples agree, but not the majority of each order), or a fault of all
    traces that agree.
    """

    reason: str
    kept: tuple[Judgement, ...] = ()
    faults: dict[str, int] = {}
    """Agreeing traces that were left out, by what `judgeloop.method.filtering.sieve` found."""


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


Fault = Callable[[Pair, Judgement], str | None]
"""Says why a trace is left out; None for one that is not."""


def keep_judgements(
    pair: Pair,
    judgements: Sequence[Judgement],
    settings: FilteringSection,
    seed: int,
    fault: Fault = lambda pair, judgement: None,
) -> Outcome:
    """Keeps a pair's judgements that agree, without those that have a fault.

    If more than `traces_per_pair` remain, that many are drawn by seed, alternating A and B.

    Returns:
        What was kept; where only faulty traces agree, the reason is their most frequent fault.
    """
    outcome = agreeing(pair, judgements, settings, seed)
    faults: Counter[str] = Counter()
    taken: set[tuple[Order, int]] = set()
    for judgement in _in_turn(outcome.kept, seed):
        if len(taken) == settings.traces_per_pair:
            break
        if found := fault(pair, judgement):
            faults[found] += 1
        else:
            taken.add((judgement.order, judgement.sample))
    reason = outcome.reason
    if outcome.kept and not taken:
        reason = max(faults, key=faults.__getitem__)
    kept = tuple(j for j in outcome.kept if (j.order, j.sample) in taken)
    return Outcome(reason=reason, kept=kept, faults=dict(faults))


def _in_turn(kept: Sequence[Judgement], seed: int) -> list[Judgement]:
    """Orders a pair's traces by seed, alternating A and B."""
    ranked = sorted(kept, key=lambda j: fraction("trace", seed, j.pair_id, j.order, j.sample))
    by_letter: dict[Choice, list[Judgement]] = defaultdict(list)
    for judgement in ranked:
        by_letter[judgement.verdict.choice].append(judgement)
    turns = zip_longest(*by_letter.values())
    return [judgement for turn in turns for judgement in turn if judgement]


def agreeing(
    pair: Pair, judgements: Sequence[Judgement], settings: FilteringSection, seed: int
) -> Outcome:
    """Returns a pair's judgements that agree with its preference (paper, stage II).

    With `both_orders`, a sample is kept only where its judgements in both orders agree; both become
    examples, so that A and B are balanced by construction. With `majority`, more than half of all
    samples of an order must agree (of both orders with `both_orders`), and as many traces of either
    order are kept. The arms `unfiltered` and `shuffled` are the study's controls: see
    `FilteringSection`.
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
    if settings.majority:
        return _of_majority(judgements, settings.both_orders, flip)
    right = [[j for j in both if bool(j.agrees) != flip] for both in whole]
    needed = len(Order) if settings.both_orders else 1
    kept = [j for group in right if len(group) >= needed for j in group]
    if kept:
        return Outcome(reason="kept", kept=tuple(kept))
    return Outcome(reason="one_order" if any(right) else "disagreeing")


def _of_majority(judgements: Sequence[Judgement], both_orders: bool, flip: bool) -> Outcome:
    """Keeps the agreeing samples of the orders in which they are more than half of all."""
    right: dict[Order, list[Judgement]] = {order: [] for order in Order}
    asked: dict[Order, int] = dict.fromkeys(Order, 0)
    for judgement in judgements:
        asked[judgement.order] += 1
        if judgement.agrees is not None and judgement.agrees != flip:
            right[judgement.order].append(judgement)
    won = [order for order in Order if 2 * len(right[order]) > asked[order]]
    if both_orders and len(won) == len(Order):
        count = min(map(len, right.values()))
        kept = sorted((j for order in Order for j in right[order][:count]), key=lambda j: j.sample)
        return Outcome("kept", tuple(kept))
    if won and not both_orders:
        return Outcome("kept", tuple(j for order in won for j in right[order]))
    if all(right.values()):
        return Outcome("minority")
    return Outcome("one_order" if any(right.values()) else "disagreeing")
