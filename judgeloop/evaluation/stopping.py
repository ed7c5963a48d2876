"""The stop rule: a paired test on held-out pairs, which stops only where a gain is ruled out.

A gain is ruled out if `min_gain` lies above the one-sided upper bound of the paired difference from
the best judge so far. If the true gain is that large or larger, such a stop happens with at most
the stated probability, however few the pairs are. The best of several judges is the best partly by
chance, so the error is divided by the number of judges that may be the best; only a judge that is
almost certainly worse is left out. With few pairs the bound is wide, and the outcome is undecided.
`python -m benchmarks.stopping` measures all this.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist
from typing import Literal

import msgspec

from judgeloop.evaluation.statistics import paired_bound
from judgeloop.schema.errors import DataError
from judgeloop.schema.records import ItemResult

POWER = 0.8
"""Probability of a stop where the true gain is zero, for which the needed pairs are computed."""
LEFT_OUT = 0.1
"""Share of the error at which a judge counts as worse than the best before the last. With the whole
error the rule was wrong in up to 6.0 % instead of 5 % of 40,000 simulated iterations, since the
best by chance was compared alone; with a tenth, in 5.0 %."""
Outcome = Literal["gain", "no_gain", "unclear", "too_few"]


class PairResult(msgspec.Struct, frozen=True):
    """The result of one judge on one held-out pair."""

    right: bool
    """Right in both orders."""
    image: str


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """An iteration's judge against the best one before it, on the same pairs."""

    outcome: Outcome
    """`gain`: a significant rise. `no_gain`: a gain of `min_gain` is ruled out. `unclear`: neither,
    on enough pairs. `too_few`: neither, on fewer pairs than the rule needs."""
    best: int
    """The iteration of the best judge before it; the earlier one of two."""
    pairs: int
    needed: int
    """Pairs with which the rule would rule out the gain in `POWER` of the cases without any."""
    difference: float
    upper: float
    """One-sided upper bound of the difference."""


def pair_results(results: Sequence[ItemResult]) -> dict[str, PairResult]:
    """Returns the part of a judge's results that the stop rule needs, by item, without probes."""
    return {
        item.item_id: PairResult(item.both_orders, item.image)
        for item in results
        if not item.identical
    }


def steps(judges: Sequence[Mapping[str, PairResult]], min_gain: float, error: float) -> list[Step]:
    """Compares each iteration's judge with the best before it.

    Args:
        judges: Results of iteration 0 (the start model), 1, ...; all on the same pairs.
        min_gain: The gain in both-order accuracy that is worth another iteration.
        error: Probability of ruling it out although it exists.

    Raises:
        DataError: The judges were not validated on the same pairs.
    """
    if any(judge.keys() != judges[0].keys() for judge in judges):
        raise DataError(
            "the stop rule compares judges on the same held-out pairs, and these were validated "
            "on different ones; begin a loop with another id"
        )
    rights = [sum(item.right for item in judge.values()) for judge in judges]
    return [
        compare_with_best(
            rights[: number + 1], lambda one, other: _against(judges[one], judges[other]),
            min_gain, error,
        )
        for number in range(1, len(judges))
    ]  # fmt: skip


def compare_with_best(
    rights: Sequence[int], against: Callable[[int, int], Against], min_gain: float, error: float
) -> Step:
    """Compares the last of several judges with the best of the others.

    Args:
        rights: Pairs that each judge is right on.
        against: The difference of two of the judges, by their indexes in `rights`.
        min_gain: As for `steps`.
        error: As for `steps`.
    """
    number = len(rights) - 1
    best = max(range(number), key=lambda at: (rights[at], -at))
    contenders = 1 + sum(
        against(best, at).lower(LEFT_OUT * error) <= 0 for at in range(number) if at != best
    )
    return _step(against(number, best), best, min_gain, error / contenders)


class Against(msgspec.Struct, frozen=True):
    """How two judges differ on the same pairs."""

    won: int
    lost: int
    pairs: int
    inflation: float
    """How much the variance of the difference grows by pairs that share an image."""

    def upper(self, error: float) -> float:
        """Returns the one-sided upper bound of the first judge's difference from the other."""
        return self._bound(self.won, self.lost, error)

    def lower(self, error: float) -> float:
        """Returns the one-sided lower bound."""
        return -self._bound(self.lost, self.won, error)

    def _bound(self, better: int, worse: int, error: float) -> float:
        by = self.inflation  # dependent pairs count for fewer independent ones
        return paired_bound(better / by, worse / by, self.pairs / by, error)


def _against(judge: Mapping[str, PairResult], other: Mapping[str, PairResult]) -> Against:
    differences = {name: judge[name].right - other[name].right for name in judge}
    won = sum(value > 0 for value in differences.values())
    lost = sum(value < 0 for value in differences.values())
    images = {name: item.image for name, item in judge.items()}
    return Against(won, lost, len(judge), _inflation(differences, images))


def _step(found: Against, best: int, gain: float, error: float) -> Step:
    n, upper = found.pairs, found.upper(error)
    discordant = (found.won + found.lost) / n if n else 1.0
    needed = pairs_needed(discordant, gain, error, found.inflation)
    outcome: Outcome = "unclear" if n >= needed else "too_few"
    if n and upper < gain:
        outcome = "no_gain"
    elif n and found.lower(error) > 0:
        outcome = "gain"
    return Step(
        outcome=outcome,
        best=best,
        pairs=n,
        needed=needed,
        difference=(found.won - found.lost) / n if n else 0.0,
        upper=upper,
    )


def pairs_needed(discordant: float, gain: float, error: float, inflation: float = 1.0) -> int:
    """Returns the pairs with which a gain is ruled out in `POWER` of the cases without any.

    Source: Connor, "Sample size for testing differences in proportions for the paired-sample
    design", Biometrics 43 (1987), applied to the absence of a difference.

    Args:
        discordant: Share of the pairs on which one of the two judges is right and the other is not;
            at least `gain` is assumed, since with fewer there could be no such gain.
        gain: The gain to rule out.
        error: Probability of ruling it out although it exists.
        inflation: How much dependent pairs raise the variance.
    """
    normal = NormalDist()
    share = max(discordant, gain)
    spread = normal.inv_cdf(1 - error) + normal.inv_cdf(POWER)
    return math.ceil(inflation * share * (spread / gain) ** 2)


def _inflation(differences: Mapping[str, int], images: Mapping[str, str]) -> float:
    """Returns how much the variance of the mean difference grows by pairs that share an image."""
    n, sums, sizes = len(differences), dict[str, int](), dict[str, int]()
    for name, value in differences.items():
        image = images[name] or name
        sums[image] = sums.get(image, 0) + value
        sizes[image] = sizes.get(image, 0) + 1
    if len(sizes) in (n, 0, 1):
        return 1.0
    mean = sum(differences.values()) / n
    alone = sum((value - mean) ** 2 for value in differences.values())
    together = sum((sums[image] - sizes[image] * mean) ** 2 for image in sizes)
    return max(1.0, together / alone) if alone else 1.0
