"""Strikes secrets out of what a process logs, stores, prints and ends with.

Secrets reach a process by its environment, by AWS's files or by a pod's role, and nothing of ours
repeats them. Libraries do: botocore logs its headers where `JUDGELOOP_LOG` is DEBUG, and an error
can hold anything. What a secret is stands in `judgeloop.runtime.secret_list`.
"""

from __future__ import annotations

import base64
import html
import json
import logging
import sys
import traceback
from collections.abc import Iterator
from functools import lru_cache
from types import TracebackType
from urllib.parse import quote, quote_plus

from judgeloop.runtime.secret_list import FORMS, IN_ADDRESS, NAMED, secret_values
from judgeloop.schema.printable import printable

STRUCK_OUT = "***"
_SHORTEST_BASE64 = 8
"""Characters of a secret's Base64 form that are sure, whatever stands before it."""
_named: set[str] = set()


def hidden(text: str) -> str:
    """Returns a text without secrets: the environment's, and what looks or is named like one."""
    for form in _all_forms(frozenset(secret for _, secret in secret_values(frozenset(_named)))):
        text = text.replace(form, STRUCK_OUT)
    text = IN_ADDRESS.sub(f"://{STRUCK_OUT}@", text)
    for pattern in FORMS.values():
        text = pattern.sub(STRUCK_OUT, text)
    return NAMED.sub(lambda match: match["name"] + STRUCK_OUT, text)


def shown(text: str) -> str:
    """Returns a text as a terminal or a log may have it: no secret, no control character."""
    return printable(hidden(text))


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
        return shown(super().format(record))


def _show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(shown("".join(traceback.format_exception(kind, error, trace))))


@lru_cache(maxsize=4)  # an environment seldom changes
def _all_forms(secrets: frozenset[str]) -> tuple[str, ...]:
    """Returns how the secrets may be written, the longest first: one may be within another."""
    forms = {form for secret in secrets for form in _forms(secret)}
    return tuple(sorted(forms, key=len, reverse=True))


def _forms(secret: str) -> Iterator[str]:
    """Yields how a secret may be written: as it is, or escaped for an address, JSON, HTML, ..."""
    yield secret
    for escaped in (quote(secret), quote(secret, safe=""), quote_plus(secret)):
        yield from (escaped, escaped.lower())
    for once in (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]):
        yield from (once, json.dumps(once)[1:-1])
    yield from (repr(secret)[1:-1], html.escape(secret), printable(secret))
    yield from _base64(secret.encode())


def _base64(secret: bytes) -> Iterator[str]:
    """Yields what a secret becomes within a Base64 text, such as `user:password` of a header.

    Three bytes are four characters, so it depends on how many bytes stand before it; characters
    that other bytes have a part in are left out.
    """
    for before in range(3):
        first = -(-before * 8 // 6)
        last = (before + len(secret)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            sure = encode(bytes(before) + secret).decode()[first:last]
            if len(sure) >= _SHORTEST_BASE64:
                yield sure
