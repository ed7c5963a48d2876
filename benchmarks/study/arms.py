"""The arms of the study: what each changes, in the configuration or in the pairs.

Changes are made in the configuration if possible. Others (noise in the labels, the correct answer
as the chosen one) are made to the pairs by `benchmarks.study.relabel`, between synthesis and
judging, which exists for this study alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class Arm(NamedTuple):
    """One arm; the others are compared with `method`."""

    name: str
    label: str
    changes: Mapping[str, Any] = MappingProxyType({})
    """Changes to the demo's configuration, besides those of all arms."""
    pairs: str = ""
    """The change that `relabel` makes to the training pairs; empty for none."""
    noise: float = 0.0
    """Share of the pairs whose answers are swapped."""
    seeds: int = 1
    gold_each: bool = False
    """Whether gold pairs are judged after every iteration; else only before the first and after the
    last, with held-out synthetic pairs in between."""
    compared_with: str = "method"

    @property
    def used_gold(self) -> bool:
        """Whether correct answers were used in the training."""
        return self.pairs in ("correct", "majority, cut")


_UNCAPPED = {"filtering.max_examples": "null"}
ARMS = (
    Arm("method", "method", seeds=2, gold_each=True),
    Arm("unfiltered", "unfiltered traces", {"filtering.keep": "unfiltered"}, seeds=2),
    Arm("shuffled", "shuffled preferences", {"filtering.keep": "shuffled"}, seeds=2),
    Arm("from_base", "start from the base", {"training.start": "base"}),
    Arm("one_order", "one order only", {"filtering.both_orders": "false"}),
    Arm("one_epoch", "one epoch", {"training.max_steps": "null", "training.epochs": 1}),
    Arm("noise_10", "10 % of labels wrong", noise=0.1),
    Arm("noise_20", "20 % of labels wrong", noise=0.2),
    Arm("noise_30", "30 % of labels wrong", noise=0.3),
    Arm("majority", "majority", _UNCAPPED, "majority"),
    Arm("correct", "correct answer", _UNCAPPED, "correct", compared_with="majority"),
    Arm("majority_cut", "majority, cut", _UNCAPPED, "majority, cut", compared_with="majority"),
)
"""In the order in which they run, second seeds last.

The last three are those of the paper's Figure 4, on closed questions alone. There all kept examples
are trained on, with equal steps, since the size of the set is one of the factors. The cut set has
the size of the correct answers' set, so that it depends on gold answers as well.
"""


def runs() -> list[tuple[Arm, int]]:
    """Returns every arm with every seed of it, those of seed 0 first."""
    most = max(arm.seeds for arm in ARMS)
    return [(arm, seed) for seed in range(most) for arm in ARMS if seed < arm.seeds]
