"""The arguments of one training, as the stage receives and stores them."""

from __future__ import annotations

from judgeloop.runtime.stage_settings import TrainSettings
from judgeloop.schema.records import Manifest, ModelRef, Record


class TrainRequest(Record, frozen=True, kw_only=True):
    """One training; the pod of a TrainJob reads it from the store."""

    config: TrainSettings
    loop_id: str
    iteration: int
    key: str
    """Content key that the training must have wherever it runs; another one means another image."""
    examples: Manifest
    earlier: list[Manifest]
    """Examples of earlier iterations that are trained on too."""
    start: ModelRef
    """What the training starts from."""
