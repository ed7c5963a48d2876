"""Strikes the environment's secrets out of what a task logs, stores and ends with.

Secrets reach a task by its environment alone, and nothing of ours repeats them. Libraries do:
botocore logs its headers where `JUDGELOOP_LOG` is DEBUG, and an error can hold anything. A secret
is the value of a variable whose name ends like those below, and the password in any address.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import traceback
from collections.abc import Iterator
from types import TracebackType
from urllib.parse import quote, unquote

_NAME = re.compile(r"(SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|KEY)$", re.IGNORECASE)
_IN_ADDRESS = re.compile(r"://[^/@\s:]*:([^/@\s]+)@")
SHORTEST = 6
"""Characters; to strike out a shorter value, such as `true`, would make nonsense of a text."""
STRUCK_OUT = "***"
_named: set[str] = set()


def hidden(text: str) -> str:
    """Returns a text without the environment's secrets and without passwords in addresses."""
    for secret in sorted(set(_secrets()), key=len, reverse=True):
        for form in {secret, quote(secret), quote(secret, safe=""), repr(secret)[1:-1]}:
            text = text.replace(form, STRUCK_OUT)
    return _IN_ADDRESS.sub(f"://{STRUCK_OUT}@", text)


def hide_secrets(log_format: str, level: str, name: str | None = None) -> None:
    """Sets up this process so that its log, and the traceback that may end it, hold no secret.

    Args:
        log_format: Of a line of the log.
        level: What is logged.
        name: A further variable with a secret, whatever it is called.
    """
    if name is not None:
        _named.add(name)
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter(log_format))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    sys.excepthook = _show


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return hidden(super().format(record))


def _show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(hidden("".join(traceback.format_exception(kind, error, trace))))


def _secrets() -> Iterator[str]:
    for name, value in os.environ.items():
        if (_NAME.search(name) or name in _named) and len(value) >= SHORTEST:
            yield value
        for password in _IN_ADDRESS.findall(value):
            if len(password) >= SHORTEST:
                yield from (password, unquote(password))
