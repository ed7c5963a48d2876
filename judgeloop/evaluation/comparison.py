"""How two judges differ on the same items: by how much, how surely, and on which items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from judgeloop.evaluation.own_answers import OwnAnswers, Writers, own_answers
from judgeloop.evaluation.statistics import CONFIDENCE, paired_interval
from judgeloop.schema.errors import DataError
from judgeloop.schema.records import Choice, ItemResult
from judgeloop.schema.results import Interval

RESAMPLES = 2000
SEED = 20_512
FEWEST_CLUSTERS = 10
"""With fewer images a bootstrap over them says little; the items are taken as independent."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Judge A minus judge B on a set of items."""

    items: int
    clusters: int
    """Images behind them: items about one image are not independent."""
    a: float
    """Both-order accuracy of A."""
    b: float
    difference: float
    interval: Interval
    """95 %, see `difference_interval`."""
    probability: float
    """Of a difference of this size or more in either direction where the judges are equally good:
    McNemar's exact test on the items won and lost."""
    won: int
    """Items that only A judged right in both orders."""
    lost: int


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What `judgeloop compare --json` prints. Others read it: fields stay, new ones may come."""

    names: tuple[str, str]
    overall: Difference
    groups: dict[str, Difference]
    decided_only: tuple[float | None, float | None]
    """Accuracy by single verdict of those that are decided: format learning moves the strict figure
    alone, better judging moves both."""
    undecided: tuple[float, float]
    """Share of the verdicts."""
    first_position: tuple[float | None, float | None]
    longer: tuple[float | None, float | None]
    """Share of the items with a clear verdict on which the longer answer is preferred; to compare
    with `longer_is_better`."""
    longer_is_better: float | None
    """Share of the items on which the longer answer is the better one."""
    own_answers: tuple[OwnAnswers, OwnAnswers]
    consistency: tuple[float, float]
    """Share of the items on which both orders prefer the same response."""
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
        names: Of A and B.
        a: A's results, in any order; probes don't count.
        b: B's, on the same items.
        writers: Which models wrote the items' answers, where it is known.
        bases: The judges' base models, by the same names; empty where they are not given.

    Raises:
        DataError: A judge has an item twice, or one that the other has not.
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
    return Comparison(
        names=names,
        overall=overall,
        groups={name: _difference(groups[name], mine, theirs) for name in sorted(groups)},
        decided_only=(_decided_only(sides[0]), _decided_only(sides[1])),
        undecided=(_undecided(sides[0]), _undecided(sides[1])),
        first_position=(_first_position(sides[0]), _first_position(sides[1])),
        longer=(longer_preference(sides[0]), longer_preference(sides[1])),
        longer_is_better=_longer_is_better(sides[0]),
        own_answers=(
            own_answers(sides[0], writers or {}, bases[0]),
            own_answers(sides[1], writers or {}, bases[1]),
        ),
        consistency=(_consistency(sides[0]), _consistency(sides[1])),
        won_items=[i for i in items if mine[i].both_orders > theirs[i].both_orders],
        lost_items=[i for i in items if mine[i].both_orders < theirs[i].both_orders],
        sentence=_sentence(names, overall),
    )


def difference_interval(differences: Sequence[int], clusters: Sequence[str]) -> Interval:
    """Returns the 95 % interval of a mean paired difference whose items may be dependent.

    Args:
        differences: 1, 0 or -1 each item.
        clusters: The image of each item.

    Returns:
        Tango's interval where each item has a cluster of its own, or where there are too few
        clusters to draw from; else the hull of Tango's and the bootstrap's, which is the wider one
        where items of an image go together.
    """
    independent = paired_interval(differences)
    number = len(set(clusters))
    if number < FEWEST_CLUSTERS or number == len(differences):
        return independent
    dependent = clustered_interval(differences, clusters)
    return Interval(min(independent.low, dependent.low), max(independent.high, dependent.high))


def clustered_interval(values: Sequence[float], clusters: Sequence[str]) -> Interval:
    """Returns the 95 % interval of a mean by a bootstrap over clusters of values, with fixed seed.

    Whole clusters are drawn, so that values of one cluster may depend on each other in any way.

    Args:
        values: One each item.
        clusters: The cluster of each; at least two.

    Source: Davison and Hinkley, "Bootstrap Methods and their Application" (1997), 3.8; SciPy
    resamples.
    """
    import numpy as np
    from scipy import stats

    places = {name: at for at, name in enumerate(sorted(set(clusters)))}
    sums, sizes = np.zeros(len(places)), np.zeros(len(places))
    for value, cluster in zip(values, clusters, strict=True):
        sums[places[cluster]] += value
        sizes[places[cluster]] += 1
    if np.ptp(sums / sizes) == 0:  # every draw has this mean
        mean = float(sums.sum() / sizes.sum())
        return Interval(mean, mean)
    found = stats.bootstrap(
        (sums, sizes),
        lambda total, size, axis: total.sum(axis=axis) / size.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=200,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return Interval(float(found.low), float(found.high))


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


def _verdicts(results: Iterable[ItemResult]) -> list[tuple[Choice, bool]]:
    """Returns every verdict, and whether the better response was shown first."""
    return [
        pair
        for result in results
        for pair in ((result.chosen_first, True), (result.rejected_first, False))
    ]


def _decided_only(results: Iterable[ItemResult]) -> float | None:
    right = [
        (choice is Choice.A) == first
        for choice, first in _verdicts(results)
        if choice is not Choice.UNDECIDED
    ]
    return sum(right) / len(right) if right else None


def _undecided(results: Iterable[ItemResult]) -> float:
    choices = [choice for choice, _ in _verdicts(results)]
    return choices.count(Choice.UNDECIDED) / len(choices)


def _first_position(results: Iterable[ItemResult]) -> float | None:
    choices = [choice for choice, _ in _verdicts(results)]
    decided = len(choices) - choices.count(Choice.UNDECIDED)
    return choices.count(Choice.A) / decided if decided else None


def longer_preference(results: Iterable[ItemResult]) -> float | None:
    """Returns the share of the items with a clear verdict on which the longer answer is preferred.

    None where no item has a clear verdict, or none has answers of known and unequal lengths.
    """
    longer = [
        result.both_orders == (result.lengths[0] > result.lengths[1])
        for result in results
        if result.clear and result.lengths and result.lengths[0] != result.lengths[1]
    ]
    return sum(longer) / len(longer) if longer else None


def _longer_is_better(results: Iterable[ItemResult]) -> float | None:
    lengths = [result.lengths for result in results if result.lengths]
    longer = [chosen > rejected for chosen, rejected in lengths if chosen != rejected]
    return sum(longer) / len(longer) if longer else None


def _consistency(results: Iterable[ItemResult]) -> float:
    clear = [result.clear for result in results]
    return sum(clear) / len(clear)


def _sentence(names: tuple[str, str], found: Difference) -> str:
    low, high = found.interval
    if low > 0 or high < 0:
        better, worse = names if low > 0 else names[::-1]
        verdict = f"{better} is better than {worse}"
    else:
        verdict = f"The items do not tell {names[0]} from {names[1]}"
    return (
        f"{verdict}: {found.difference:+.3f} in both-order accuracy (95 % {low:+.3f} to "
        f"{high:+.3f}) on {found.items} items, {found.won} won and {found.lost} lost, "
        f"p = {found.probability:.3g}."
    )
