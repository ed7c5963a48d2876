"""Makes decoding thread-safe: a class is resolved under a lock before it is decoded.

msgspec resolves a Struct's fields in Python code when the class is first decoded. Another thread
that decodes the class meanwhile dereferences a null pointer, and the process dies without a message
(msgspec 0.22.0: four threads that read a configuration crashed four of six processes).
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
