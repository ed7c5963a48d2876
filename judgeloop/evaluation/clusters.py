"""95 % intervals of means over items that may be dependent because they share an image."""

from __future__ import annotations

from collections.abc import Sequence

from judgeloop.evaluation.statistics import CONFIDENCE, paired_interval
from judgeloop.schema.scorecard import Interval

RESAMPLES = 2000
SEED = 20_512
FEWEST_CLUSTERS = 10
"""With fewer images a bootstrap over them is unreliable, and items are treated as independent."""


def difference_interval(differences: Sequence[int], clusters: Sequence[str]) -> Interval:
    """Returns the 95 % interval of a mean paired difference whose items may be dependent.

    Args:
        differences: 1, 0 or -1 for each item.
        clusters: The image of each item.

    Returns:
        Tango's interval where each item has a cluster of its own, or where there are too few
        clusters to draw from; else the hull of Tango's and the bootstrap's, which is wider where
        items of an image correlate.
    """
    return share_interval(differences, clusters, paired_interval(differences))


def share_interval(
    values: Sequence[float], clusters: Sequence[str], independent: Interval
) -> Interval:
    """Returns the 95 % interval of a mean over items that may be dependent.

    Args:
        values: One each item.
        clusters: The image of each item.
        independent: The interval of independent items.

    Returns:
        `independent` where each item has a cluster of its own, or where there are too few clusters
        to draw from; else the hull of it and of the bootstrap's.
    """
    if not FEWEST_CLUSTERS <= len(set(clusters)) < len(values):
        return independent
    dependent = clustered_interval(values, clusters)
    return Interval(min(independent.low, dependent.low), max(independent.high, dependent.high))


def clustered_interval(values: Sequence[float], clusters: Sequence[str]) -> Interval:
    """Returns the 95 % interval of a mean by a bootstrap over clusters of values, with fixed seed.

    Whole clusters are drawn, so that values of one cluster may depend on each other in any way.

    Args:
        values: One each item.
        clusters: The cluster of each value; at least two distinct ones.

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
    if np.ptp(sums / sizes) == 0:  # every resample has this mean
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
