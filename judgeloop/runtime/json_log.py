"""Log lines as JSON objects, for a log collector: `JUDGELOOP_LOG_FORMAT=json`.

It imports only the standard library, since `make images` runs where nothing is installed.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from judgeloop.schema.errors import ConfigError

VARIABLE = "JUDGELOOP_LOG_FORMAT"
TEXT, JSON = "text", "json"


@dataclass(frozen=True, kw_only=True)
class About:
    """Context fields of all log lines of a process; None where a field does not apply."""

    stage: str | None = None
    loop: str | None = None
    iteration: int | None = None
    partition: int | None = None


def wants_json() -> bool:
    """Returns whether the environment asks for JSON.

    Raises:
        ConfigError: It asks for an unknown format.
    """
    name = os.environ.get(VARIABLE, TEXT)
    if name not in (TEXT, JSON):
        raise ConfigError(f"{VARIABLE}={name}: use {TEXT} or {JSON}")
    return name == JSON


class JsonFormatter(logging.Formatter):
    """Formats one JSON object per line: time (UTC), level, logger, context fields, and message.

    A traceback is part of the message. Line feeds and control characters are escaped.

    Args:
        about: Fields of every line.
        shown: Redacts secrets and escapes control characters of a text.
    """

    def __init__(self, about: About, shown: Callable[[str], str]) -> None:
        super().__init__("%(message)s")
        self._about = asdict(about)
        self._shown = shown

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line, without the line end."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{moment}.{int(record.msecs):03d}Z", "level": record.levelname,
            "logger": record.name, **self._about, "message": super().format(record),
        }  # fmt: skip
        made = {k: self._shown(v) if isinstance(v, str) else v for k, v in line.items()}
        return json.dumps(made, ensure_ascii=True)
