"""The promotion gate: may a candidate take the champion's place?

It compares two judges item by item on the same gold pairs. It knows no registry and no store.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from judgeloop.evaluation.statistics import Interval, paired_interval
from judgeloop.schema.errors import DataError
from judgeloop.schema.records import ItemResult, Record


class GateDecision(Record, frozen=True, kw_only=True):
    """Whether the champion moves, why, and the comparison behind it."""

    decision: Literal["promote", "refuse"]
    reason: str
    candidate: str
    champion: str
    """The opponent: the present champion or, where there is none, the loop's start model."""
    n: int = 0
    """Items that both judged; 0 where they were not compared."""
    difference: float = 0.0
    """Both-order accuracy of the candidate minus the champion's, -1..1."""
    low: float = -1.0
    high: float = 1.0
    """95 % interval of the difference; -1 to 1 where nothing was compared."""


def refusal(candidate: str, champion: str, reason: str) -> GateDecision:
    """Returns a refusal without a comparison."""
    return GateDecision(decision="refuse", reason=reason, candidate=candidate, champion=champion)


def decide_promotion(
    candidate: Iterable[ItemResult],
    champion: Iterable[ItemResult],
    names: tuple[str, str],
    min_difference: float,
) -> GateDecision:
    """Decides by the paired 95 % interval of the difference in both-order accuracy.

    Args:
        candidate: The candidate's results on the gold pairs, in any order.
        champion: The champion's results on the same pairs.
        names: Names of candidate and champion.
        min_difference: The interval must lie above this, 0..1.

    Raises:
        DataError: A judge has two results for one item.
    """
    if names[0] == names[1]:
        return refusal(*names, "the candidate is the champion already")
    mine, theirs = _by_item(candidate, names[0]), _by_item(champion, names[1])
    differing = len(mine.keys() ^ theirs.keys())
    if differing:
        return refusal(
            *names,
            f"they were scored on different items: {differing} have a result of only one of them",
        )
    if not mine:
        return refusal(*names, "there are no items to compare them on")
    differences = [right - theirs[item] for item, right in mine.items()]
    interval = paired_interval(differences)
    mean = sum(differences) / len(differences)
    return GateDecision(
        decision="promote" if interval.low > min_difference else "refuse",
        reason=_reason(mean, interval, len(differences), min_difference),
        candidate=names[0],
        champion=names[1],
        n=len(differences),
        difference=mean,
        low=interval.low,
        high=interval.high,
    )


def _by_item(results: Iterable[ItemResult], name: str) -> dict[str, bool]:
    right: dict[str, bool] = {}
    for result in results:
        if result.item_id in right:
            raise DataError(
                f"{name} has two results for item {result.item_id}; make the items' ids unique and "
                "evaluate again"
            )
        right[result.item_id] = result.both_orders
    return right


def _reason(mean: float, interval: Interval, n: int, min_difference: float) -> str:
    verb = "lies" if interval.low > min_difference else "does not lie"
    return (
        f"both-order accuracy differs by {mean:+.3f} on {n} items; the 95 % interval "
        f"{interval.low:+.3f} to {interval.high:+.3f} {verb} above {min_difference:.3f}"
    )
