"""Compares a pair's judgements with what the last judge of the same pair said: no label is used."""

from __future__ import annotations

from collections.abc import Sequence

from judgeloop.schema.method_sections import FilteringSection
from judgeloop.schema.records import Judgement, Order


def contradicts(settings: FilteringSection, earlier: Sequence[Judgement]) -> bool:
    """Returns whether the last judge's verdicts speak against keeping a pair.

    A sample has a clear verdict where both of its orders prefer the same answer. With `same` the
    samples that clearly prefer the chosen answer must be more than those that prefer the other one,
    with `not_opposite` no fewer.

    Args:
        settings: Their `last_verdict` decides.
        earlier: The last judge's judgements of the pair; none for a pair that it did not judge.
    """
    if settings.last_verdict == "ignored" or not earlier:
        return False
    verdicts = {(each.sample, each.order): each.agrees for each in earlier}
    samples = {each.sample for each in earlier}
    couples = [tuple(verdicts.get((at, order)) for order in Order) for at in samples]
    lead = couples.count((True, True)) - couples.count((False, False))
    return lead < 0 if settings.last_verdict == "not_opposite" else lead <= 0
