"""Judges that look at nothing: rows of every table that a real judge must beat."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from judgeloop.evaluation.items import category
from judgeloop.evaluation.scorecard import Tally
from judgeloop.method.judging.orders import shown_answers
from judgeloop.schema.keys import fraction
from judgeloop.schema.records import Choice, ItemResult, Order, Pair

Rule = Callable[[Pair, Order], Choice]


def always_first(pair: Pair, order: Order) -> Choice:
    """Always says A."""
    return Choice.A


def longer(pair: Pair, order: Order) -> Choice:
    """Prefers the longer answer; undecided where both are of one length."""
    a, b = map(len, shown_answers(pair, order))
    if a == b:
        return Choice.UNDECIDED
    return Choice.A if a > b else Choice.B


def random(pair: Pair, order: Order) -> Choice:
    """Tosses a seeded coin for each order: 0.5 on average, 0.25 in both orders."""
    return Choice.A if fraction("coin", pair.id, order) < 0.5 else Choice.B


FIGURES = tuple(
    f"{name}{end}" for name in ("accuracy", "both_orders") for end in ("", "_low", "_high")
)
BASELINES: dict[str, Rule] = {"always_first": always_first, "longer": longer, "random": random}


def baseline_metrics(pairs: Iterable[Pair]) -> dict[str, float]:
    """Returns each baseline's figures as `baseline/<name>/<figure>`, with their intervals.

    Args:
        pairs: Read once, not kept.
    """
    tallies = {name: Tally() for name in BASELINES}
    for pair in pairs:
        for name, rule in BASELINES.items():
            tallies[name].add(_result(pair, rule))
    metrics: dict[str, float] = {}
    for name, tally in tallies.items():
        figures = tally.scorecard().metrics()
        metrics |= {f"baseline/{name}/{figure}": figures[figure] for figure in FIGURES}
    return metrics


def _result(pair: Pair, rule: Rule) -> ItemResult:
    return ItemResult(
        item_id=pair.id,
        category=category(pair),
        chosen_first=rule(pair, Order.CHOSEN_FIRST),
        rejected_first=rule(pair, Order.REJECTED_FIRST),
    )
