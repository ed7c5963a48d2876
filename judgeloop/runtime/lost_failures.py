"""Failures that could not be written to the ledger: one log line each.

A store that is full, unreachable or read-only cannot record the failure that it causes, so the log
is the only place where it is recorded.
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
    """Logs a failure that could not be written to the ledger.

    Args:
        entry: The failure.
        reason: Why it could not be written.
    """
    logger.error("cannot write the failure to the ledger (%s)", reason)
    logger.error("%s%s", _MARK, to_json(entry).decode())


def read_lost(lines: Iterable[str]) -> list[Entry]:
    """Returns the failures in the lines of a log: the first one of each task, sorted."""
    found: dict[str, Entry] = {}
    for line in lines:
        _, mark, text = line.partition(_MARK)
        if not mark:
            continue
        try:
            _, end = json.JSONDecoder().raw_decode(text)
            entry = from_json(text[:end], Entry, "the log")
        except (ValueError, DataError):
            continue  # truncated, for example by a full disk
        found.setdefault(entry.name, entry)
    return sorted(found.values(), key=lambda entry: entry.rank)
