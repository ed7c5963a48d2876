"""Making something in MLflow once, though answers are lost.

MLflow's client sends every request again whose answer did not come, also one that creates: the
server may have done the first one, and then there are two. So a creation is sent without its
repeats, and whatever comes of it, the thing is looked for before it is sent again.
"""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from judgeloop.registry.client import RETRIES, as_shown, environment, is_passing

T = TypeVar("T")
PAUSES_S = (1, 4, 8, 16, 32, 64)
"""Seconds between tries, about as MLflow's client waits."""
_log = logging.getLogger(__name__)


def once(find: Callable[[], T | None], create: Callable[[], T]) -> T:
    """Finds a thing or makes it.

    Args:
        find: Returns it, or None where it is not there.
        create: Makes it by a single request.

    Raises:
        MlflowException: The server answered no, or does not get well.
    """
    from mlflow.exceptions import MlflowException

    for pause in (*PAUSES_S, None):
        found = find()
        if found is not None:
            return found
        try:
            with environment({RETRIES: "0"}):
                return create()
        except MlflowException as error:
            if pause is None or not is_passing(error):
                raise
            _log.warning("again in %d s: %s", pause, as_shown(error))
        time.sleep(pause)
    raise AssertionError("the last try returns or raises")
