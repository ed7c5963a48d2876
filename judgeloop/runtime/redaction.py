"""Redacts secrets in logs, stored errors, printed text and tracebacks.

A process gets secrets from its environment, AWS's files or a pod's role. Our code never prints
them, but libraries do: botocore logs its headers if `JUDGELOOP_LOG` is DEBUG, and an error may
contain anything. `judgeloop.runtime.secret_list` defines what counts as a secret.
"""

from __future__ import annotations

import base64
import html
import json
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from functools import lru_cache
from types import TracebackType
from urllib.parse import quote, quote_plus

from judgeloop.runtime.json_log import About, JsonFormatter, wants_json
from judgeloop.runtime.secret_list import FORMS, IN_ADDRESS, NAMED, secret_values
from judgeloop.schema.printable import printable

STRUCK_OUT = "***"
LOG_VARIABLE = "JUDGELOOP_RUN_LOG"
"""Path of a file that also gets the log lines: a run's own log, without other task output."""
_SHORTEST_BASE64 = 8
"""Minimum length of the Base64 characters that do not depend on what precedes the secret."""
_named: set[str] = set()


def hidden(text: str) -> str:
    """Returns a text with secrets redacted, from the environment or recognized by form."""
    for form in _all_forms(frozenset(secret for _, secret in secret_values(frozenset(_named)))):
        text = text.replace(form, STRUCK_OUT)
    text = IN_ADDRESS.sub(f"://{STRUCK_OUT}@", text)
    for pattern in FORMS.values():
        text = pattern.sub(STRUCK_OUT, text)
    return NAMED.sub(lambda match: match["name"] + STRUCK_OUT, text)


def shown(text: str) -> str:
    """Returns a text that is safe for a terminal or log: no secrets, no control characters."""
    return printable(hidden(text))


def hide_secrets(
    log_format: str, level: str, name: str | None = None, about: About | None = None
) -> None:
    """Sets up redaction of this process's log and of an uncaught traceback.

    Args:
        log_format: Format of a log line.
        level: Log level.
        name: A further environment variable that holds a secret.
        about: What the lines belong to, where they may be JSON objects instead
            (`judgeloop.runtime.json_log`); None where a person or a program reads them as text.

    Raises:
        ConfigError: The environment asks for an unknown format.
    """
    made: logging.Formatter = _Formatter(log_format)
    if about is not None and wants_json():
        made = JsonFormatter(about, shown)
    if name is not None:
        _named.add(name)
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    if file := os.environ.get(LOG_VARIABLE):
        own = logging.FileHandler(file, encoding="utf-8", delay=True)
        own.addFilter(_is_not_kubeflow_s)
        handlers.append(own)
    for handler in handlers:
        handler.setFormatter(made)
    logging.basicConfig(level=level, handlers=handlers, force=True)
    sys.excepthook = _show


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return shown(super().format(record))


def _is_not_kubeflow_s(record: logging.LogRecord) -> bool:
    """Returns whether a line was not logged by KFP's executor around a task's function."""
    return f"{os.sep}kfp{os.sep}" not in record.pathname


def _show(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
    text = "".join(traceback.format_exception(error))
    formatters = [handler.formatter for handler in logging.getLogger().handlers]
    as_line = os.environ.get(LOG_VARIABLE) or any(isinstance(f, JsonFormatter) for f in formatters)
    if as_line and not issubclass(kind, KeyboardInterrupt):
        logging.getLogger("judgeloop").critical("ended by an error\n%s", text)  # on stderr, too
    else:
        sys.stderr.write(shown(text))


@lru_cache(maxsize=4)  # an environment seldom changes
def _all_forms(secrets: frozenset[str]) -> tuple[str, ...]:
    """Returns all spellings of the secrets, the longest first: one may contain another."""
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
    """Yields the forms of a secret within a Base64 text, such as `user:password` in a header.

    Three bytes are four characters, so the form depends on the number of bytes before it;
    characters that encode other bytes too are left out.
    """
    for before, first in enumerate((0, 2, 3)):
        last = (before + len(secret)) * 4 // 3
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            sure = encode(bytes(before) + secret).decode()[first:last]
            if len(sure) >= _SHORTEST_BASE64:
                yield sure
