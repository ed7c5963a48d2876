"""Text-only baselines, which are rows of every table and which a real judge must beat.

They are computed from another judge's item results, which name the items and the answers' lengths.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from judgeloop.evaluation.scorecard import Tally
from judgeloop.schema.errors import DataError
from judgeloop.schema.keys import fraction
from judgeloop.schema.records import Choice, ItemResult, Order
from judgeloop.schema.scorecard import Scorecard

Rule = Callable[[ItemResult, Order], Choice]


def always_first(item: ItemResult, order: Order) -> Choice:
    """Always says A."""
    return Choice.A


def longer(item: ItemResult, order: Order) -> Choice:
    """Prefers the longer answer; undecided where both have the same length."""
    chosen, rejected = _lengths(item)
    if chosen == rejected:
        return Choice.UNDECIDED
    return Choice.A if (chosen > rejected) == (order is Order.CHOSEN_FIRST) else Choice.B


def shorter(item: ItemResult, order: Order) -> Choice:
    """Prefers the shorter answer; undecided where both have the same length."""
    return {Choice.A: Choice.B, Choice.B: Choice.A}.get(longer(item, order), Choice.UNDECIDED)


def random(item: ItemResult, order: Order) -> Choice:
    """Chooses at random by seed, for each order: 0.5 on average, 0.25 in both orders."""
    return Choice.A if fraction("coin", item.item_id, order) < 0.5 else Choice.B


BASELINES: dict[str, Rule] = {
    "always_first": always_first,
    "longer": longer,
    "shorter": shorter,
    "random": random,
}


def blind_result(item: ItemResult, rule: Rule) -> ItemResult:
    """Returns the result of a rule on an item."""
    return msgspec.structs.replace(
        item,
        chosen_first=rule(item, Order.CHOSEN_FIRST),
        rejected_first=rule(item, Order.REJECTED_FIRST),
        chosen_first_text="",
        rejected_first_text="",
    )


class BaselineTally:
    """Adds up the scores of the baselines on a judge's items, without keeping the items."""

    def __init__(self) -> None:
        self._tallies = {name: Tally() for name in BASELINES}

    def add(self, item: ItemResult) -> None:
        """Counts one item, given any judge's result on it."""
        for name, rule in BASELINES.items():
            self._tallies[name].add(blind_result(item, rule))

    def scorecards(self) -> dict[str, Scorecard]:
        """Returns each baseline's scorecard by its name."""
        return {name: tally.scorecard() for name, tally in self._tallies.items()}


def _lengths(item: ItemResult) -> tuple[int, int]:
    if item.lengths is None:
        raise DataError(
            f"the result of item {item.item_id} has no lengths of the answers: an earlier version "
            "stored it; evaluate the judge again"
        )
    return item.lengths
