"""Failures that the ledger could not take: a line of the log each, for whoever reads the run.

A store that is full, away or read-only takes no entry of the failure that it causes. The log is
then the only place that has it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable

from judgeloop.runtime.ledger import Entry
from judgeloop.schema.errors import DataError
from judgeloop.schema.records import from_json, to_json

_MARK = "failure not in the ledger: "
logger = logging.getLogger(__name__)


def log_lost(entry: Entry, reason: object) -> None:
    """Logs a failure that the ledger did not take.

    Args:
        entry: The failure.
        reason: Why it was not taken.
    """
    logger.error("the ledger could not take the failure (%s)", reason)
    logger.error("%s%s", _MARK, to_json(entry).decode())


def read_lost(lines: Iterable[str]) -> list[Entry]:
    """Returns the failures that lines of a log hold, by task; of each task the first."""
    found: dict[str, Entry] = {}
    for line in lines:
        _, mark, text = line.partition(_MARK)
        if not mark:
            continue
        try:
            _, end = json.JSONDecoder().raw_decode(text)
            entry = from_json(text[:end], Entry, "the log")
        except (ValueError, DataError):
            continue  # cut off, as by a full disk
        found.setdefault(entry.name, entry)
    return [found[name] for name in sorted(found)]
