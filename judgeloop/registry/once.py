"""Creates an object in MLflow exactly once, although the answer to a request may be lost.

MLflow's client retries every request without an answer, including creations: if the server had
served the first one, there are two objects. So a creation is sent without the client's own retries,
and each new attempt first looks for the object.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_exponential

from judgeloop.registry.client import RETRIES, as_shown, environment, is_transient

T = TypeVar("T")
_log = logging.getLogger(__name__)


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    pause = state.next_action.sleep if state.next_action else 0.0
    _log.warning("retry in %.0f s: %s", pause, as_shown(error) if error else "")


RETRYING = Retrying(
    retry=retry_if_exception(is_transient),
    stop=stop_after_attempt(7),
    wait=wait_exponential(multiplier=2),  # 2, 4, ... 64 s: about as MLflow's client waits
    before_sleep=_log_retry,
    reraise=True,
)
"""How a creation is retried: for two minutes, as MLflow's client retries other requests."""


def find_or_create(find: Callable[[], T | None], create: Callable[[], T]) -> T:
    """Returns an object in MLflow, or creates it.

    Args:
        find: Returns the object, or None if it does not exist; retried by MLflow's client.
        create: Creates the object with a single request.

    Raises:
        MlflowException: The server refuses, or does not recover.
    """
    for attempt in RETRYING.copy():
        found = find()
        if found is not None:
            return found
        with attempt, environment({RETRIES: "0"}):
            return create()
    raise AssertionError("the last attempt returns or raises")
