"""Simulates how often the stop rule stops wrongly, and how often it stops without a gain.

    python -m benchmarks.stopping [--runs 20000]

Judges are right or wrong on each held-out pair. The previous one is right on 80 %; the next one
differs from it on 10 % of the pairs, with the gain as the mean difference. With several earlier
judges of the same quality, it is compared with the best of them on the same pairs, which is the
best by chance. The rule is the real one; since pairs are independent, only the numbers of pairs by
who is right are drawn.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import cache
from itertools import product

import numpy as np

from judgeloop.evaluation.stopping import Against, Step, compare_with_best, pairs_needed
from judgeloop.runtime.redaction import hide_secrets
from judgeloop.runtime.stages.decide import stale_iterations

SIZES = (100, 300, 1000)
GAINS = (0.0, 0.01, 0.03, 0.05)
EARLIER = (1, 3)
ERROR, MIN_GAIN = 0.05, 0.03
BEFORE = 0.8
DIFFERS = 0.1
"""Share of the pairs on which two judges differ."""


def stop_rates(
    n: int, gain: float, earlier: int, runs: int, seed: int = 0
) -> tuple[float, float, float]:
    """Returns how often each rule stops after an iteration, and how often the test is undecided.

    Args:
        n: Held-out pairs.
        gain: True gain over each of the earlier judges.
        earlier: Earlier judges, equally good.
        runs: Simulated iterations.
        seed: Seed of the simulation.

    Returns:
        Shares of the runs: stops of the paired test, stops if only scores are compared, and those
            in which the test is undecided.
    """
    rng = np.random.default_rng([seed, n, round(1000 * gain), earlier])
    patterns = np.array(list(product((0, 1), repeat=earlier + 1)))
    drawn = rng.multinomial(n, pattern_shares(patterns, gain), runs)
    rights = drawn @ patterns
    better = patterns[:, :, None] > patterns[:, None, :]
    wins = np.einsum("rp,pij->rij", drawn, better.astype(int))
    tested = plain = too_few = 0
    for right, won in zip(rights.tolist(), wins.tolist(), strict=True):
        plain += stale_iterations([max(right[:-1]) / n, right[-1] / n], 0.0) == 1
        last = step(right, won, n)
        tested += last.outcome == "no_gain"
        too_few += last.outcome == "too_few"
    return tested / runs, plain / runs, too_few / runs


def step(rights: Sequence[int], wins: Sequence[Sequence[int]], n: int) -> Step:
    """Applies the rule to counts.

    Args:
        rights: Pairs that each judge is right on, the last one's at the end.
        wins: `wins[i][j]` are the pairs that judge i is right on and judge j is not.
        n: Pairs.
    """

    def against(one: int, other: int) -> Against:
        return _Remembered(wins[one][other], wins[other][one], n, 1.0)

    return compare_with_best(rights, against, MIN_GAIN, ERROR)


class _Remembered(Against, frozen=True):
    """The same bounds, cached."""

    def upper(self, error: float) -> float:
        return _upper(self.won, self.lost, self.pairs, error)

    def lower(self, error: float) -> float:
        return -_upper(self.lost, self.won, self.pairs, error)


@cache
def _upper(won: int, lost: int, pairs: int, error: float) -> float:
    return Against(won, lost, pairs, 1.0).upper(error)


def pattern_shares(patterns: np.ndarray, gain: float) -> np.ndarray:
    """Returns the probability of each pattern of who is right on a pair.

    Args:
        patterns: Patterns x judges, 0 or 1; the last judge is the one after the others.
        gain: Its true gain.
    """
    redrawn = DIFFERS / (2 * BEFORE * (1 - BEFORE))
    before, last = patterns[:, :-1], patterns[:, -1]
    alone = np.where(before == 1, BEFORE, 1 - BEFORE)
    shares = sum(
        chance * np.prod(redrawn * alone + (1 - redrawn) * (before == common), axis=1)
        for common, chance in ((1, BEFORE), (0, 1 - BEFORE))
    )
    up, down = (DIFFERS + gain) / 2 / (1 - BEFORE), (DIFFERS - gain) / 2 / BEFORE
    turned = np.where(before[:, -1] == 1, down, up)
    return np.asarray(shares * np.where(last == before[:, -1], 1 - turned, turned))


def table(runs: int, sizes: Sequence[int] = SIZES, gains: Sequence[float] = GAINS) -> str:
    """Returns the rates as Markdown: a row for each gain and number of earlier judges."""
    head = "| true gain | earlier judges | " + " | ".join(f"n = {n:,}" for n in sizes) + " |"
    lines = [head, "| ---: | ---: " + "| --- " * len(sizes) + "|"]
    for gain in gains:
        for earlier in EARLIER:
            cells = (stop_rates(n, gain, earlier, runs) for n in sizes)
            row = " | ".join(f"{test:.3f} ({plain:.3f})" for test, plain, _ in cells)
            lines.append(f"| {gain} | {earlier} | {row} |")
    return "\n".join(lines)


def main() -> None:
    """Prints the table, and the pairs that the rule needs."""
    hide_secrets("%(message)s", "WARNING")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20_000)
    runs = parser.parse_args().runs
    sys.stdout.write(
        f"Share of {runs} simulated iterations after which the loop stops by the paired test "
        f"(error {ERROR}, gain {MIN_GAIN}); in brackets, where the scores are only compared\n"
        f"{table(runs)}\n"
    )
    needed = {share: pairs_needed(share, MIN_GAIN, ERROR) for share in (0.05, 0.1, 0.2, 0.4)}
    said = ", ".join(f"{n:,} where judges differ on {share:.0%}" for share, n in needed.items())
    sys.stdout.write(f"Pairs that the test needs: {said}\n")


if __name__ == "__main__":
    main()
