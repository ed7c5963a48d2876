"""The strict figures: both orders, and nothing assumed about an unclear text."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from judgeloop.evaluation.benchmarks.base import Benchmark, Item, Output, choice
from judgeloop.evaluation.scorecard import scorecard
from judgeloop.schema.records import Choice, ItemResult
from judgeloop.schema.results import Scorecard

Verdicts = dict[str, dict[bool, Counter[Choice]]]
"""How often each choice was made, by item and by whether the better response was shown first."""


def strict_results(
    benchmark: Benchmark, items: Sequence[Item], outputs: Sequence[Output]
) -> list[ItemResult]:
    """Returns the result of each item that was judged in both orders.

    In each order the choice of more than half of the samples counts; without one it is undecided.
    """
    verdicts: Verdicts = defaultdict(lambda: defaultdict(Counter))
    for output in outputs:
        if output.text is not None:
            verdicts[output.item][output.chosen_first][choice(benchmark, output.text)] += 1
    return [
        ItemResult(
            item_id=item.key,
            category=item.group,
            chosen_first=_majority(verdicts[item.key][True]),
            rejected_first=_majority(verdicts[item.key][False]),
            image=item.image,
        )
        for item in items
        if len(verdicts.get(item.key, ())) == len((True, False))
    ]


def strict_figures(card: Scorecard, one_order: int) -> dict[str, Any]:
    """Returns the strict figures as they are printed, shares of 0..1.

    Args:
        card: Of the items that were judged in both orders.
        one_order: Items that were judged in one order only, which are not counted.
    """
    groups = card.categories
    return {
        "items": card.n,
        "items_in_one_order_only": one_order,
        "both_orders": card.both_orders,
        "both_orders_interval": list(card.both_orders_interval),
        "accuracy": card.accuracy,
        "accuracy_interval": list(card.accuracy_interval),
        "both_orders_macro": sum(group.both_orders for group in groups.values()) / len(groups),
        "undecided": card.undecided,
        "first_position": card.first_position,
        "groups": {
            name: {"items": group.n, "both_orders": group.both_orders, "accuracy": group.accuracy}
            for name, group in groups.items()
        },
    }


def strict(
    benchmark: Benchmark, items: Sequence[Item], outputs: Sequence[Output]
) -> tuple[dict[str, Any] | None, str]:
    """Returns the strict figures, or None and the reason why there are none."""
    results = strict_results(benchmark, items, outputs)
    if results:
        judged = len({output.item for output in outputs})
        return strict_figures(scorecard(results), judged - len(results)), ""
    if all(output.text is None for output in outputs):
        return None, "the outputs hold scores and no texts"
    return None, "no item was judged in both orders: the outputs hold one order only"


def _majority(counts: Counter[Choice]) -> Choice:
    name, most = counts.most_common(1)[0]
    return name if most > counts.total() / 2 else Choice.UNDECIDED
