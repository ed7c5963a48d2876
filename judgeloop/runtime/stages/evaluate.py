"""Evaluate: the judge on gold pairs, for people and the promotion gate; never feeds the loop."""

from __future__ import annotations

import msgspec

from judgeloop.evaluation.gold import load_gold
from judgeloop.runtime.stages.inference import open_library
from judgeloop.runtime.stages.measure import measure
from judgeloop.schema.config import Config
from judgeloop.schema.records import Manifest, ModelRef
from judgeloop.store import Store

STAGE = "evaluate"


def evaluate(config: Config, store: Store, iteration: int, model: ModelRef) -> Manifest:
    """Scores the judge on the gold pairs.

    Returns:
        As `measure`; `details["gold"]` is the content key of the gold set. The counts
        `dropped/<reason>` are those of the gold file's bad rows.
    """
    gold = load_gold(config, store, open_library(config, store))
    sampling = config.evaluation.sampling

    def complete(scored: Manifest) -> Manifest:
        dropped = {n: count for n, count in gold.counts.items() if n.startswith("dropped/")}
        return msgspec.structs.replace(
            scored,
            counts=dict(sorted((scored.counts | dropped).items())),
            details=scored.details | {"gold": gold.key},
        )

    return measure(config, store, STAGE, iteration, gold, model, sampling, True, complete)
