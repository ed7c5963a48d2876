"""Where the TrainJobs of a training task run, as set in the compiled pipeline."""

from __future__ import annotations

import os
from typing import Any

import msgspec

from judgeloop.schema.errors import ConfigError

VARIABLE = "JUDGELOOP_TRAINJOB"
"""Environment variable of the training task that holds the place as JSON."""


class JobPlace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where and with what a TrainJob's pod runs: a profile's values, and no secrets."""

    image: str
    resources: dict[str, str | int]
    """Limits by Kubernetes' names; processor and memory are requested in full."""
    env: list[dict[str, Any]]
    """Variables of the container, values by reference to Secrets and ConfigMaps."""
    pod: dict[str, Any]
    """What the pod's specification adds to the runtime: node selector, tolerations, volumes."""
    mounts: list[dict[str, Any]]
    """The container's mounts beside those of the runtime."""
    queue: str | None = None
    """A Kueue LocalQueue."""
    start_within_s: int
    """A job that is not ready this long after its admission is ended, with the reason."""
    timeout_s: int
    """Longest time from the job's start, or its last admission, to its end."""

    @property
    def gpus(self) -> int:
        """Number of GPUs of the pod: its resources other than processor and memory."""
        return sum(int(n) for name, n in self.resources.items() if name not in ("cpu", "memory"))


def job_place() -> JobPlace | None:
    """Returns the place that the pipeline was compiled with; None if it trains in its own pods.

    Raises:
        ConfigError: The variable holds something else.
    """
    text = os.environ.get(VARIABLE)
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=JobPlace)
    except msgspec.DecodeError as error:
        raise ConfigError(f"{VARIABLE}: {error}; compile and submit the pipeline anew") from None
