"""What a judge must beat, whatever its opponent: judges that look at nothing.

The gate, the loop's choice of its best version, and the start from a champion all go by this.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from judgeloop.evaluation.baselines import BASELINES, blind_result
from judgeloop.evaluation.statistics import mean_interval, paired_interval, wilson
from judgeloop.schema.records import ItemResult
from judgeloop.schema.results import Check

COIN_BOTH_ORDERS = 0.25
"""Both-order accuracy of an unbiased coin, tossed for each order."""
CHANCE = 0.5
"""Accuracy by single verdict of a coin, and of a judge that always says the same."""


def floors(results: Iterable[ItemResult]) -> tuple[Check, ...]:
    """Compares a judge with every blind baseline on its own items, by 95 % lower bounds.

    Args:
        results: The judge's, in any order. Read once, not kept; probes don't count.

    Returns:
        A check for each baseline, for an unbiased coin on both orders, and for chance on single
        verdicts.

    Raises:
        DataError: A result does not hold the lengths of the answers.
    """
    both: Counter[bool] = Counter()
    accuracies: Counter[float] = Counter()
    differences: dict[str, Counter[int]] = {name: Counter() for name in BASELINES}
    for result in results:
        if result.identical:
            continue
        both[result.both_orders] += 1
        accuracies[result.accuracy] += 1
        for name, rule in BASELINES.items():
            blind = blind_result(result, rule).both_orders
            differences[name][result.both_orders - blind] += 1
    paired = [_against(name, counts) for name, counts in differences.items()]
    return (*paired, _against_coin(both), _against_chance(accuracies))


def failed(checks: Iterable[Check]) -> str:
    """Returns what the conditions that don't hold say; empty if all hold."""
    return "; ".join(check.text for check in checks if not check.holds)


def _against(name: str, differences: Counter[int]) -> Check:
    n = differences.total()
    interval = paired_interval(differences.elements())
    mean = (differences[1] - differences[-1]) / n if n else 0.0
    return Check(
        name=f"blind/{name}",
        holds=interval.low > 0,
        text=f"both-order accuracy is {mean:+.3f} ({interval.low:+.3f} to {interval.high:+.3f}) "
        f"from the blind baseline {name}",
    )


def _against_coin(both: Counter[bool]) -> Check:
    n = both.total()
    low = wilson(both[True], n).low
    return Check(
        name="blind/coin",
        holds=low > COIN_BOTH_ORDERS,
        text=f"both-order accuracy {both[True] / n if n else 0:.3f}, at least {low:.3f}, against "
        f"{COIN_BOTH_ORDERS} of an unbiased coin",
    )


def _against_chance(accuracies: Counter[float]) -> Check:
    n = accuracies.total()
    low = mean_interval(accuracies.elements()).low
    mean = sum(value * count for value, count in accuracies.items()) / n if n else 0.0
    return Check(
        name="blind/chance",
        holds=low > CHANCE,
        text=f"accuracy by single verdict {mean:.3f}, at least {low:.3f}, against {CHANCE} of "
        "chance",
    )
