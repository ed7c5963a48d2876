"""Compares two judges on the same items: the difference, its uncertainty, and the items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from judgeloop.evaluation.bias import BIAS_SHARES, Share, longer_is_better
from judgeloop.evaluation.clusters import difference_interval
from judgeloop.evaluation.own_answers import OwnAnswers, Writers, own_answers
from judgeloop.schema.errors import DataError
from judgeloop.schema.records import ItemResult
from judgeloop.schema.scorecard import Interval


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Judge A minus judge B on a set of items."""

    items: int
    clusters: int
    """Number of images: items about one image are not independent."""
    a: float
    """Both-order accuracy of A."""
    b: float
    difference: float
    interval: Interval
    """95 % interval, see `difference_interval`."""
    probability: float
    """p-value of McNemar's exact two-sided test on the items won and lost."""
    won: int
    """Items that only A judged right in both orders."""
    lost: int


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The output of `judgeloop compare --json`, a stable interface: fields are only added."""

    names: tuple[str, str]
    overall: Difference
    groups: dict[str, Difference]
    decided_only: tuple[float | None, float | None]
    """Accuracy over the decided verdicts only: learning the format changes the strict figure alone,
    better judging changes both."""
    undecided: tuple[float, float]
    """Share of the verdicts that are undecided."""
    first_position: tuple[float | None, float | None]
    longer: tuple[float | None, float | None]
    """Share of the items with a clear verdict on which the longer answer is preferred; to compare
    with `longer_is_better`."""
    longer_is_better: float | None
    """Share of the items on which the longer answer is the better one."""
    own_answers: tuple[OwnAnswers, OwnAnswers]
    consistency: tuple[float, float]
    """Share of the items on which both orders prefer the same response."""
    intervals: dict[str, tuple[Interval | None, Interval | None]]
    """95 % intervals of the shares above, by name, clustered by item and image. Those of own
    answers are in `own_answers`."""
    won_items: list[str]
    lost_items: list[str]
    sentence: str


def compare(
    names: tuple[str, str],
    a: Iterable[ItemResult],
    b: Iterable[ItemResult],
    writers: Writers | None = None,
    bases: tuple[str, str] = ("", ""),
) -> Comparison:
    """Compares two judges item by item.

    Args:
        names: Names of A and B.
        a: A's results, in any order; probes don't count.
        b: B's results, on the same items.
        writers: The models that wrote the items' answers, where known.
        bases: The judges' base models, by the same names; empty where they are not given.

    Raises:
        DataError: A judge has an item twice, or one that the other does not have.
    """
    mine, theirs = _by_item(a, names[0]), _by_item(b, names[1])
    if differing := sorted(mine.keys() ^ theirs.keys()):
        raise DataError(
            f"{names[0]} and {names[1]} were scored on different items: {len(differing)} have a "
            f"result of only one, such as {differing[0]}. Compare results on the same data"
        )
    if not mine:
        raise DataError(f"{names[0]} and {names[1]} have no items")
    items = sorted(mine)
    groups: dict[str, list[str]] = {}
    for item in items:
        groups.setdefault(mine[item].category, []).append(item)
    overall = _difference(items, mine, theirs)
    sides = (list(mine.values()), list(theirs.values()))
    shares = {name: (share(sides[0]), share(sides[1])) for name, share in BIAS_SHARES.items()}
    return Comparison(
        names=names,
        overall=overall,
        groups={name: _difference(groups[name], mine, theirs) for name in sorted(groups)},
        decided_only=_values(shares["decided_only"]),
        undecided=(_rate(shares["undecided"][0]), _rate(shares["undecided"][1])),
        first_position=_values(shares["first_position"]),
        longer=_values(shares["longer"]),
        longer_is_better=longer_is_better(sides[0]),
        own_answers=(
            own_answers(sides[0], writers or {}, bases[0]),
            own_answers(sides[1], writers or {}, bases[1]),
        ),
        consistency=(_rate(shares["consistency"][0]), _rate(shares["consistency"][1])),
        intervals={
            name: (_interval(one), _interval(other)) for name, (one, other) in shares.items()
        },
        won_items=[i for i in items if mine[i].both_orders > theirs[i].both_orders],
        lost_items=[i for i in items if mine[i].both_orders < theirs[i].both_orders],
        sentence=_sentence(names, overall),
    )


def _by_item(results: Iterable[ItemResult], name: str) -> dict[str, ItemResult]:
    found: dict[str, ItemResult] = {}
    for result in results:
        if result.identical:
            continue
        if result.item_id in found:
            raise DataError(f"{name} has two results for item {result.item_id}")
        found[result.item_id] = msgspec.structs.replace(
            result, chosen_first_text="", rejected_first_text=""
        )
    return found


def _difference(
    items: Sequence[str], mine: Mapping[str, ItemResult], theirs: Mapping[str, ItemResult]
) -> Difference:
    from scipy.stats import binomtest

    differences = [mine[item].both_orders - theirs[item].both_orders for item in items]
    clusters = [mine[item].image or item for item in items]
    won, lost = differences.count(1), differences.count(-1)
    return Difference(
        items=len(items),
        clusters=len(set(clusters)),
        a=sum(mine[item].both_orders for item in items) / len(items),
        b=sum(theirs[item].both_orders for item in items) / len(items),
        difference=sum(differences) / len(items),
        interval=difference_interval(differences, clusters),
        probability=float(binomtest(won, won + lost).pvalue) if won + lost else 1.0,
        won=won,
        lost=lost,
    )


def _rate(share: Share | None) -> float:
    """Returns a share that is defined for every set of items."""
    return share.value if share else 0.0


def _values(shares: tuple[Share | None, Share | None]) -> tuple[float | None, float | None]:
    a, b = shares
    return (a.value if a else None), (b.value if b else None)


def _interval(share: Share | None) -> Interval | None:
    return share.interval if share else None


def _sentence(names: tuple[str, str], found: Difference) -> str:
    low, high = found.interval
    if low > 0 or high < 0:
        better, worse = names if low > 0 else names[::-1]
        verdict = f"{better} is better than {worse}"
    else:
        verdict = f"The items do not distinguish {names[0]} from {names[1]}"
    return (
        f"{verdict}: {found.difference:+.3f} in both-order accuracy (95 % {low:+.3f} to "
        f"{high:+.3f}) on {found.items} items, {found.won} won and {found.lost} lost, "
        f"p = {found.probability:.3g}."
    )
