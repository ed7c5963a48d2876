"""Validate: the judge on held-out synthetic pairs, for the stop rule and the choice of version."""

from __future__ import annotations

from judgeloop.runtime.stages.measure import measure
from judgeloop.schema.config import Config
from judgeloop.schema.records import Manifest, ModelRef
from judgeloop.store import Store

STAGE = "validate"


def validate(
    config: Config, store: Store, iteration: int, pairs: Manifest, model: ModelRef
) -> Manifest:
    """Scores the judge on the held-out pairs of `hold_out`; see `measure` for what is returned."""
    sampling = config.validation.sampling
    return measure(config, store, STAGE, iteration, pairs, model, sampling)
