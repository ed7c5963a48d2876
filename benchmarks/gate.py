"""Simulates how often the gate promotes by chance, and how often it detects a real gain.

    python -m benchmarks.gate [--runs 500]

A judge is right in both orders on a share of the items, follows the position on another share, and
is wrong on the rest; two judges agree more often than by chance. The lengths of answers do not
depend on their quality. Each item has an image of its own, or images have 1 to 8 items each, on
which verdicts are correlated. The gate is the real one, with its defaults.
"""

from __future__ import annotations

import argparse
import sys
from functools import cache
from typing import NamedTuple

import msgspec
import numpy as np

from judgeloop.evaluation.gate import Judged, decide_promotion
from judgeloop.evaluation.statistics import paired_interval
from judgeloop.runtime.redaction import hide_secrets
from judgeloop.schema.evaluation_sections import GateSection
from judgeloop.schema.records import Choice, ItemResult

SIZES = (100, 500, 1250)
GROUPS = ("general", "hallucination", "reasoning")
GROUP_SHARES = (0.15, 0.6, 0.25)
SHARED = 0.5
"""Share of items for which two judges share a random draw: what is hard is hard for both."""
TOGETHER = 0.5
"""Share of an image's items that share one random draw: an image is easy or hard."""
LARGEST = 8
"""Maximum of items per image; numbers from 1 on are equally frequent."""
FIRST, SECOND = Choice.A, Choice.B
RIGHT, ALWAYS_FIRST, ALWAYS_SECOND, WRONG = range(4)
VERDICTS = ((FIRST, SECOND), (FIRST, FIRST), (SECOND, SECOND), (SECOND, FIRST))
"""Verdicts with the better answer first, and with it second."""


class Skill(NamedTuple):
    """A judge: shares of the items that it judges right, and by position."""

    right: float
    position: float


class Case(NamedTuple):
    """A candidate against an opponent."""

    name: str
    candidate: Skill
    opponent: Skill


NO_DIFFERENCE = (
    Case("equal, weak", Skill(0.4, 0.4), Skill(0.4, 0.4)),
    Case("equal, strong", Skill(0.8, 0.1), Skill(0.8, 0.1)),
    Case("two coins", Skill(0.25, 0.5), Skill(0.25, 0.5)),
    Case("a coin against always first", Skill(0.25, 0.5), Skill(0.0, 1.0)),
    Case("a fixed guess against always first", Skill(0.5, 0.0), Skill(0.0, 1.0)),
)
GAINS = (
    Case("+ 5 points", Skill(0.65, 0.25), Skill(0.6, 0.3)),
    Case("+ 10 points", Skill(0.7, 0.2), Skill(0.6, 0.3)),
    Case("+ 20 points", Skill(0.8, 0.1), Skill(0.6, 0.3)),
)


def promotion_rate(
    case: Case, n: int, runs: int, seed: int = 0, *, clustered: bool = False
) -> float:
    """Returns the share of simulated comparisons on n items that end in a promotion.

    Args:
        case: The two judges.
        n: Number of items.
        runs: Number of comparisons.
        seed: Seed of the simulation.
        clustered: Whether images have several items.
    """
    rng = np.random.default_rng([seed, n])
    promoted = 0
    for _ in range(runs):
        images = _images(n, rng) if clustered else np.arange(n)
        drawn = _draw(case, images, rng)
        promoted += _may_be_promoted(drawn) and (
            decide_promotion(*drawn.judged(), GateSection()).decision == "promote"
        )
    return promoted / runs


class Drawn(NamedTuple):
    """One simulated comparison."""

    images: np.ndarray
    groups: np.ndarray
    lengths: np.ndarray
    """Items x 2: of the better answer and of the worse."""
    verdicts: np.ndarray
    """Judges x items: places in `VERDICTS`."""

    def judged(self) -> tuple[Judged, Judged]:
        """Returns the candidate's and the opponent's results, each with a probe."""
        candidate, opponent = (
            Judged(name, "simulated", "both orders", self._results(verdicts))
            for name, verdicts in zip(("candidate", "opponent"), self.verdicts, strict=True)
        )
        return candidate, opponent

    def _results(self, verdicts: np.ndarray) -> list[ItemResult]:
        items = [
            ItemResult(
                item_id=str(at),
                category=str(self.groups[at]),
                chosen_first=VERDICTS[verdict][0],
                rejected_first=VERDICTS[verdict][1],
                lengths=(int(self.lengths[at, 0]), int(self.lengths[at, 1])),
                image=str(self.images[at]),
            )
            for at, verdict in enumerate(verdicts)
        ]
        probe = msgspec.structs.replace(items[0], item_id="probe", identical=True)
        return [*items, msgspec.structs.replace(probe, chosen_first=FIRST, rejected_first=FIRST)]


def _may_be_promoted(drawn: Drawn) -> bool:
    """Returns whether the interval of independent items lies above 0.

    The clustered interval is not narrower. Most comparisons of equal judges end with this check,
    without the whole gate.
    """
    mine, theirs = drawn.verdicts == RIGHT
    won, lost = int((mine & ~theirs).sum()), int((theirs & ~mine).sum())
    return _lower(won, lost, len(mine)) > GateSection().min_difference


@cache
def _lower(won: int, lost: int, n: int) -> float:
    return paired_interval([1] * won + [-1] * lost + [0] * (n - won - lost)).low


def _images(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draws the image of each of n items."""
    sizes = rng.integers(1, LARGEST + 1, n)
    return np.repeat(np.arange(n), sizes)[:n]


def _luck(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draws a number in 0..1 for each item, partly shared by the items of an image."""
    n = len(images)
    return np.where(rng.random(n) < TOGETHER, rng.random(n)[images], rng.random(n))


def _draw(case: Case, images: np.ndarray, rng: np.random.Generator) -> Drawn:
    n = len(images)
    own = np.stack([_luck(images, rng), _luck(images, rng)])
    common = _luck(images, rng)
    ranks = np.where(rng.random(n) < SHARED, common, own)  # each judge keeps its own shares
    groups = rng.choice(GROUPS, n, p=GROUP_SHARES)
    lengths = rng.integers(80, 120, (n, 2))
    says_first = rng.random((2, n)) < 0.5
    skills = np.array([case.candidate, case.opponent])
    right = ranks < skills[:, :1]
    by_position = ranks < skills.sum(axis=1, keepdims=True)
    position = np.where(says_first, ALWAYS_FIRST, ALWAYS_SECOND)
    verdicts = np.where(right, RIGHT, np.where(by_position, position, WRONG))
    return Drawn(images, groups, lengths, verdicts)


def main() -> None:
    """Prints a table for items of images of their own, and one for images of several items."""
    hide_secrets("%(message)s", "WARNING")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500)
    runs = parser.parse_args().runs
    sys.stdout.write(f"share of {runs} simulated comparisons that end in a promotion\n")
    for clustered in (False, True):
        name = f"1 to {LARGEST} items an image" if clustered else "an image for each item"
        sys.stdout.write(f"\n| {name} | " + " | ".join(f"n = {n:,}" for n in SIZES) + " |\n")
        sys.stdout.write("| --- " * (1 + len(SIZES)) + "|\n")
        for case in (*NO_DIFFERENCE, *GAINS):
            rates = (promotion_rate(case, n, runs, clustered=clustered) for n in SIZES)
            shown = " | ".join(f"{rate:.3f}" for rate in rates)
            sys.stdout.write(f"| {case.name} | {shown} |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
