"""Evaluate: the judge on gold pairs, for people and the promotion gate; never feeds the loop."""

from __future__ import annotations

import msgspec

from judgeloop.config import Config
from judgeloop.evaluation.baselines import baseline_metrics
from judgeloop.evaluation.gold import load_gold
from judgeloop.records import Manifest, ModelRef, Pair
from judgeloop.shards import read_records
from judgeloop.stages.inference import open_library
from judgeloop.stages.measure import measure
from judgeloop.store import Store

STAGE = "evaluate"
VERSION = 1


def evaluate(config: Config, store: Store, iteration: int, model: ModelRef) -> Manifest:
    """Scores the judge on the gold pairs.

    Returns:
        As `measure`; `details["gold"]` is the content key of the gold set, and the metrics hold the
        baselines of `judgeloop.evaluation.baselines`.
    """
    gold = load_gold(config, store, open_library(config, store))
    sampling = config.evaluation.sampling
    measured = measure(config, store, STAGE, VERSION, iteration, gold, model, sampling)
    return msgspec.structs.replace(
        measured,
        metrics=measured.metrics | baseline_metrics(list(read_records(store, gold, Pair))),
        details=measured.details | {"gold": gold.key},
    )
