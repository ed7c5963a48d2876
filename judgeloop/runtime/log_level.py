"""The log level, set by `JUDGELOOP_LOG`."""

from __future__ import annotations

import logging
import os

from judgeloop.schema.errors import ConfigError

VARIABLE = "JUDGELOOP_LOG"


def log_level(default: str) -> str:
    """Returns the level that the environment asks for, in any case of letters.

    Args:
        default: Where the variable is not set.

    Raises:
        ConfigError: There is no such level.
    """
    name = os.environ.get(VARIABLE, default).upper()
    if name not in logging.getLevelNamesMapping():
        raise ConfigError(f"{VARIABLE}={name}: use DEBUG, INFO, WARNING or ERROR")
    return name
