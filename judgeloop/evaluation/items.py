"""Turns judgements into item results: one per pair, with both orders, from sample 0."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from judgeloop.method.filtering.agreement import join_judgements
from judgeloop.schema.records import ItemResult, Judgement, Labelled, Order, Pair

PROBE_SHARE = 0.1
"""Share of the pairs that are also judged with their chosen answer on both sides."""
FEWEST_PROBES = 10
PROBE = "/identical"
"""Suffix of a probe's id."""


def probe_share(pairs: int) -> float:
    """Returns the share of pairs that is probed: about ten pairs or more, if possible."""
    return min(1.0, max(PROBE_SHARE, FEWEST_PROBES / max(1, pairs)))


def probe_of(pair: Pair) -> Pair:
    """Returns a probe: the pair's chosen answer against itself."""
    return msgspec.structs.replace(pair, id=pair.id + PROBE, rejected=pair.chosen)


def item_results(pairs: Sequence[Pair], judgements: Sequence[Judgement]) -> list[ItemResult]:
    """Returns the result of every pair from its first sample in each order.

    Raises:
        DataError: Pairs and judgements don't belong together.
    """
    return [_result(pair, found) for pair, found in join_judgements(pairs, judgements)]


def category(pair: Pair) -> str:
    """Returns the group that a pair is reported under."""
    if isinstance(pair.origin, Labelled):
        return pair.origin.category
    return str(pair.question.kind)


def _result(pair: Pair, judgements: Sequence[Judgement]) -> ItemResult:
    first = {judgement.order: judgement for judgement in judgements if judgement.sample == 0}
    ahead, behind = first[Order.CHOSEN_FIRST], first[Order.REJECTED_FIRST]
    return ItemResult(
        item_id=pair.id,
        category=category(pair),
        chosen_first=ahead.verdict.choice,
        rejected_first=behind.verdict.choice,
        chosen_first_text=ahead.text,
        rejected_first_text=behind.text,
        lengths=(len(pair.chosen), len(pair.rejected)),
        image=next(iter(pair.question.images), ""),
        identical=pair.chosen == pair.rejected,
    )
