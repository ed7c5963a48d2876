"""The request of one training, as the stage receives and stores it."""

from __future__ import annotations

from judgeloop.runtime.stage_settings import TrainSettings
from judgeloop.schema.records import Manifest, ModelRef, Record


class TrainRequest(Record, frozen=True, kw_only=True):
    """One training; the pod of a TrainJob reads it from the store."""

    config: TrainSettings
    loop_id: str
    iteration: int
    key: str
    """Content key that the training must have wherever it runs; a difference means another
    image."""
    examples: Manifest
    earlier: list[Manifest]
    """Examples of earlier iterations that are also trained on."""
    start: ModelRef
    """The model that the training starts from."""
