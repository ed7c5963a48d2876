"""How often the gate promotes by chance, and how often it sees a real gain: by simulation.

    python -m benchmarks.gate [--runs 2000]

Judges are drawn as a share of items that they read right in both orders, a share on which they go
by position alone, and the rest wrong; two judges agree on some items more than by chance. Answers
differ in length without regard to which is better. The gate is the real one, with its defaults.
"""

from __future__ import annotations

import argparse
import sys
from typing import NamedTuple

import msgspec
import numpy as np

from judgeloop.evaluation.gate import Judged, decide_promotion
from judgeloop.runtime.redaction import hide_secrets
from judgeloop.schema.config import GateSection
from judgeloop.schema.records import Choice, ItemResult

SIZES = (100, 500, 1250)
GROUPS = ("general", "hallucination", "reasoning")
GROUP_SHARES = (0.15, 0.6, 0.25)
SHARED = 0.5
"""Share of items on which two judges go by the same draw: what is hard is hard for both."""
RIGHT, FIRST, WRONG = (
    (Choice.A, Choice.B),
    (Choice.A, Choice.A),
    (Choice.B, Choice.A),
)


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


def promotion_rate(case: Case, n: int, runs: int, seed: int = 0) -> float:
    """Returns the share of simulated comparisons on n items that end in a promotion."""
    rng = np.random.default_rng([seed, n])
    promoted = 0
    for _ in range(runs):
        candidate, opponent = _draw(case, n, rng)
        promoted += decide_promotion(candidate, opponent, GateSection()).decision == "promote"
    return promoted / runs


def _draw(case: Case, n: int, rng: np.random.Generator) -> tuple[Judged, Judged]:
    own = rng.random((2, n))
    common = rng.random(n)
    ranks = np.where(rng.random(n) < SHARED, common, own)  # each judge keeps its own shares
    groups = rng.choice(GROUPS, n, p=GROUP_SHARES)
    lengths = rng.integers(80, 120, (n, 2))
    sides = rng.random((2, n)) < 0.5
    judges = []
    for name, skill, rank, side in zip(
        ("candidate", "opponent"), (case.candidate, case.opponent), ranks, sides, strict=True
    ):
        items = [
            _item(at, str(groups[at]), lengths[at], skill, rank[at], bool(side[at]))
            for at in range(n)
        ]
        probe = msgspec.structs.replace(items[0], item_id="probe", identical=True)
        probe = msgspec.structs.replace(probe, chosen_first=Choice.A, rejected_first=Choice.A)
        judges.append(Judged(name, "simulated", "both orders", [*items, probe]))
    return judges[0], judges[1]


def _item(
    at: int, group: str, lengths: np.ndarray, skill: Skill, rank: float, says_first: bool
) -> ItemResult:
    if rank < skill.right:
        verdicts = RIGHT
    elif rank < skill.right + skill.position:
        verdicts = FIRST if says_first else (Choice.B, Choice.B)
    else:
        verdicts = WRONG
    return ItemResult(
        item_id=str(at),
        category=group,
        chosen_first=verdicts[0],
        rejected_first=verdicts[1],
        lengths=(int(lengths[0]), int(lengths[1])),
    )


def main() -> None:
    """Prints a row for each case, a column for each number of items."""
    hide_secrets("%(message)s", "WARNING")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    runs = parser.parse_args().runs
    sys.stdout.write(f"share of {runs} simulated comparisons that end in a promotion\n")
    sys.stdout.write("| case | " + " | ".join(f"n = {n:,}" for n in SIZES) + " |\n")
    sys.stdout.write("| --- " * (1 + len(SIZES)) + "|\n")
    for case in (*NO_DIFFERENCE, *GAINS):
        rates = " | ".join(f"{promotion_rate(case, n, runs):.3f}" for n in SIZES)
        sys.stdout.write(f"| {case.name} | {rates} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
