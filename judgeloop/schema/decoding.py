"""Lets threads decode: msgspec must have seen a class before two of them use it at once.

msgspec finds out about a Struct's fields when it is first decoded, in Python code, so that another
thread may come between; that one then follows a null pointer, and the process is gone without a
word (msgspec 0.22.0: four threads that read a configuration died so in four of six processes).
"""

from __future__ import annotations

import threading
from typing import TypeVar

import msgspec

T = TypeVar("T")
_LOCK = threading.Lock()
_KNOWN: set[object] = set()


def decodable(kind: type[T]) -> type[T]:
    """Returns a type after msgspec has resolved it and its fields."""
    if kind not in _KNOWN:
        with _LOCK:
            msgspec.json.Decoder(kind)
            _KNOWN.add(kind)
    return kind
