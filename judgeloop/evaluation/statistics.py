"""95 % intervals of shares, of means over items, and of paired differences.

Score intervals throughout: unlike estimate ± 1.96 standard errors they keep their coverage for
small n and for shares near 0 or 1, never leave the possible range, and never have width 0.

SciPy finds roots. Wilson's formula, which must accept a fractional number of trials, and Tango's
statistic are implemented here; the tests compare Wilson's with SciPy.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from statistics import NormalDist

from judgeloop.schema.scorecard import Interval

CONFIDENCE = 0.95
Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
"""Normal quantile of a two-sided interval, 1.96."""

VERDICTS_PER_ITEM = 2


def wilson(successes: int, n: int) -> Interval:
    """Returns Wilson's score interval of a share.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", Journal
    of the American Statistical Association 22 (1927).

    Args:
        successes: Number of successes, 0 to n.
        n: Number of independent trials; without trials the interval is 0 to 1.

    Raises:
        ValueError: `successes` is not in 0..n.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes in {n} trials: must be between 0 and {n}")
    if not n:
        return Interval(0.0, 1.0)
    return _score_interval(successes / n, n)


def mean_interval(values: Iterable[float]) -> Interval:
    """Returns the interval of a mean over items of which each had two verdicts.

    The two verdicts on one item are not independent, so 2n verdicts are worth neither 2n trials nor
    always n. Wilson's interval is taken with the effective number of trials p(1-p) / Var(mean), at
    most the 2n verdicts; where the mean is 0 or 1 that is undefined, and the n items are taken. For
    values that are all 0 or 1 the result is `wilson`'s.

    Source: Korn and Graubard, "Confidence intervals for proportions with small expected number of
    positive counts estimated from survey data", Survey Methodology 24 (1998), for the effective
    size; Dean and Pagano, "Evaluating confidence interval methods for binomial proportions in
    clustered surveys", Journal of Survey Statistics and Methodology 3 (2015), for
    Wilson's interval with it.

    Args:
        values: Share of each item's verdicts that are right: 0, 0.5 or 1. Read once, not kept.

    Raises:
        ValueError: Another value.
    """
    n = 0
    total = squares = 0.0
    for value in values:
        if value not in (0, 0.5, 1):
            raise ValueError(f"{value}: the share of two right verdicts is 0, 0.5 or 1")
        n += 1
        total += value
        squares += value * value
    if not n:
        return Interval(0.0, 1.0)
    mean = total / n
    if mean in (0, 1):
        return _score_interval(mean, n)
    variance = squares / n - mean * mean
    ceiling = VERDICTS_PER_ITEM * n
    size = min(n * mean * (1 - mean) / variance, ceiling) if variance > 0 else ceiling
    return _score_interval(mean, size)


def paired_interval(differences: Iterable[int]) -> Interval:
    """Returns the interval of the mean difference between two judges on the same items.

    Tango's score interval for the difference of two paired shares. It lies above 0 exactly where
    McNemar's test (without correction) finds the first judge better at the 5 % level.

    Source: Tango, "Equivalence test and confidence interval for the difference in proportions for
    the paired-sample design", Statistics in Medicine 17 (1998).

    Args:
        differences: For each item 1 where only the first judge was right, -1 where only the second
            was, 0 where both or neither were. Read once, not kept.

    Returns:
        The interval within -1..1; -1 to 1 where there are no items.

    Raises:
        ValueError: Another value.
    """
    counts = Counter(differences)
    strange = counts.keys() - {-1, 0, 1}
    if strange:
        raise ValueError(f"{min(strange)}: a difference of right and wrong is -1, 0 or 1")
    n = counts.total()
    if not n:
        return Interval(-1.0, 1.0)
    better, worse = counts[1], counts[-1]
    low = _root(lambda delta: _tango(better, worse, n, delta) - Z, (better - worse) / n, -1.0)
    high = _root(lambda delta: -_tango(better, worse, n, delta) - Z, (better - worse) / n, 1.0)
    return Interval(low, high)


def paired_bound(better: float, worse: float, n: float, error: float) -> float:
    """Returns the one-sided upper bound of a mean paired difference: Tango's score bound.

    Args:
        better: Items where only the first judge was right; a part of one where items are dependent.
        worse: Items where only the second was.
        n: Items; without any the bound is 1.
        error: Probability that the true difference lies above the bound.
    """
    if not n:
        return 1.0
    z = NormalDist().inv_cdf(1 - error)
    return _root(lambda delta: -_tango(better, worse, n, delta) - z, (better - worse) / n, 1.0)


def _score_interval(share: float, n: float) -> Interval:
    centre = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    # At the ends the formula is exact up to rounding, which could leave 0..1 or miss the share.
    return Interval(0.0 if share == 0 else centre - half, 1.0 if share == 1 else centre + half)


def _tango(better: float, worse: float, n: float, delta: float) -> float:
    """Returns the score statistic of the hypothesis that the true difference is `delta`."""
    a = 2 * n
    b = (a - better + worse) * delta - better - worse
    c = -worse * delta * (1 - delta)
    q = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
    variance = n * (2 * q + delta * (1 - delta))
    distance = better - worse - n * delta
    if variance <= 0:  # at -1 and 1, where any other outcome is impossible
        return math.copysign(math.inf, distance) if distance else 0.0
    return distance / math.sqrt(variance)


def _root(above: Callable[[float], float], inside: float, outside: float) -> float:
    """Finds by bisection where `above`, negative at `inside`, turns positive on the way out."""
    if above(outside) <= 0:
        return outside
    from scipy.optimize import bisect

    return float(bisect(above, inside, outside))
