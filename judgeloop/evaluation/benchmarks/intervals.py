"""95 % intervals of a benchmark's official figures, from its items' outcomes, clustered by image.

A figure is right / (right + wrong) over items that may show the same image. The bootstrap resamples
whole images. With fewer images than `FEWEST_CLUSTERS`, or one item per image, the interval of
independent items is taken (`mean_interval`), otherwise the hull of both: clustering makes no
interval narrower.

Source: Davison and Hinkley, "Bootstrap Methods and their Application" (1997), 3.8.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from judgeloop.evaluation.clusters import FEWEST_CLUSTERS, RESAMPLES, SEED
from judgeloop.evaluation.statistics import CONFIDENCE, mean_interval
from judgeloop.schema.scorecard import Interval

ALL, MACRO = "all", "macro"


class Outcome(NamedTuple):
    """The outcome of one item by an official protocol."""

    group: str
    image: str
    """Its cluster; items with an empty one are clusters of their own."""
    right: float
    """Share of its verdicts that are right: 0, 0.5 or 1."""


def outcome_intervals(outcomes: Sequence[Outcome]) -> dict[str, Interval]:
    """Returns the intervals of the share of right items: per group, overall, and the groups' mean.

    Args:
        outcomes: Outcomes of the items that the figure counts.

    Returns:
        By group; `all` is the micro average, `macro` the mean of the groups.
    """
    import numpy as np

    if not outcomes:
        return {}
    groups = sorted({one.group for one in outcomes})
    names = [one.image or f"item {number}" for number, one in enumerate(outcomes)]
    clusters = {name: number for number, name in enumerate(dict.fromkeys(names))}
    right = np.zeros((len(clusters), len(groups)))
    total = np.zeros_like(right)
    for name, one in zip(names, outcomes, strict=True):
        cell = clusters[name], groups.index(one.group)
        total[cell] += 1
        right[cell] += one.right
    generator = np.random.default_rng(SEED)
    even = np.full(len(clusters), 1 / len(clusters))
    drawn = generator.multinomial(len(clusters), even, RESAMPLES)
    rights, totals = drawn @ right, drawn @ total
    dependent = 1 < len(clusters) < len(outcomes) and len(clusters) >= FEWEST_CLUSTERS
    found = {}
    columns = {name: (rights[:, at], totals[:, at]) for at, name in enumerate(groups)}
    columns[ALL] = rights.sum(axis=1), totals.sum(axis=1)
    for name, (some, of) in columns.items():
        mine = [one.right for one in outcomes if name in (ALL, one.group)]
        found[name] = mean_interval(mine)
        if dependent:
            found[name] = _hull(found[name], _percentiles(some[of > 0] / of[of > 0]))
    means = right.sum(axis=0) / total.sum(axis=0)
    found[MACRO] = _mean_of_groups(means, [found[name] for name in groups])
    whole = (totals > 0).all(axis=1)
    if whole.any():
        drawn_means = (rights[whole] / totals[whole]).mean(axis=1)
        found[MACRO] = _hull(found[MACRO], _percentiles(drawn_means))
    return found


def _mean_of_groups(means: Any, intervals: Sequence[Interval]) -> Interval:
    """Returns the interval of the mean of independent groups' shares, which has never width 0.

    Source: Zou, Huang and Zhang, "A note on confidence interval estimation for a linear function
    of binomial proportions", Computational Statistics & Data Analysis 53 (2009).
    """
    import numpy as np

    low, high = np.asarray(intervals).T
    below, above = means - low, high - means
    center, size = float(means.mean()), len(means)
    return Interval(
        max(0.0, center - float(np.sqrt((below**2).sum())) / size),
        min(1.0, center + float(np.sqrt((above**2).sum())) / size),
    )


def _percentiles(values: Any) -> Interval:
    import numpy as np

    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(values, [tail, 100 - tail])
    return Interval(float(low), float(high))


def _hull(one: Interval, other: Interval) -> Interval:
    return Interval(min(one.low, other.low), max(one.high, other.high))
