"""Validate: scores the judge on held-out synthetic pairs, for the stop rule and version choice."""

from __future__ import annotations

import msgspec

from judgeloop.evaluation.shortcuts import shortcuts
from judgeloop.runtime.stage_settings import ValidateSettings
from judgeloop.runtime.stages.measure import measure
from judgeloop.schema.records import Manifest, ModelRef, Pair
from judgeloop.schema.results import Scores
from judgeloop.store import Store
from judgeloop.store.shards import read_records

STAGE = "validate"


def validate(
    config: ValidateSettings, store: Store, iteration: int, pairs: Manifest, model: ModelRef
) -> Manifest:
    """Scores the judge on the held-out pairs of `hold_out`; see `measure` for the return value.

    The scores include those of text-only shortcuts, which put a rise into perspective.
    """
    sampling = config.validation.sampling

    def complete(scores: Scores) -> Scores:
        found = shortcuts(lambda: read_records(store, pairs, Pair))
        return msgspec.structs.replace(scores, shortcuts=found)

    return measure(config, store, STAGE, iteration, pairs, model, sampling, complete=complete)
