"""The strict figures, which count both orders and treat an unclear text as undecided."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from judgeloop.evaluation.benchmarks.base import Benchmark, Item, Output, choice
from judgeloop.evaluation.benchmarks.intervals import ALL, MACRO, Outcome, outcome_intervals
from judgeloop.evaluation.bias import BIAS_SHARES, longer_is_better
from judgeloop.evaluation.scorecard import scorecard
from judgeloop.schema.records import Choice, ItemResult

Verdicts = dict[str, dict[bool, Counter[Choice]]]
"""Counts of each choice, by item and by whether the better response was shown first."""


def strict_results(
    benchmark: Benchmark, items: Sequence[Item], outputs: Sequence[Output]
) -> list[ItemResult]:
    """Returns the result of each item that was judged in both orders.

    In each order the choice of more than half of the samples counts; without such a majority the
    order is undecided.
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
            lengths=(len(item.chosen), len(item.rejected)),
        )
        for item in items
        if len(verdicts.get(item.key, ())) == len((True, False))
    ]


def strict_figures(results: Sequence[ItemResult], one_order: int) -> dict[str, Any]:
    """Returns the strict figures as they are printed, as shares in 0..1.

    Args:
        results: Results of the items that were judged in both orders.
        one_order: Number of items judged in one order only, which are not counted.
    """
    card = scorecard(results)
    groups = card.categories
    both, single = (
        outcome_intervals([Outcome(one.category, one.image, share(one)) for one in results])
        for share in (lambda one: float(one.both_orders), lambda one: one.accuracy)
    )
    return {
        "items": card.n,
        "items_in_one_order_only": one_order,
        "both_orders": card.both_orders,
        "both_orders_interval": list(both[ALL]),
        "accuracy": card.accuracy,
        "accuracy_interval": list(single[ALL]),
        "both_orders_macro": sum(group.both_orders for group in groups.values()) / len(groups),
        "both_orders_macro_interval": list(both[MACRO]),
        **_bias_figures(results),
        "longer_is_better": longer_is_better(results),
        "groups": {
            name: {
                "items": group.n,
                "both_orders": group.both_orders,
                "both_orders_interval": list(both[name]),
                "accuracy": group.accuracy,
                "accuracy_interval": list(single[name]),
            }
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
        return strict_figures(results, judged - len(results)), ""
    if all(output.text is None for output in outputs):
        return None, "the outputs hold scores and no texts"
    return None, "no item was judged in both orders: the outputs hold one order only"


def _bias_figures(results: Sequence[ItemResult]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, measure in BIAS_SHARES.items():
        share = measure(results)
        found[name] = None if share is None else share.value
        found[f"{name}_interval"] = None if share is None else list(share.interval)
    return found


def _majority(counts: Counter[Choice]) -> Choice:
    name, most = counts.most_common(1)[0]
    return name if most > counts.total() / 2 else Choice.UNDECIDED
