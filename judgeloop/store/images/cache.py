"""A bounded cache of bytes in memory; what was used least recently leaves first."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict


class ByteCache:
    """Keeps objects by key; threads may share it.

    Args:
        limit: Bytes that are kept at most; an object larger than that is not kept at all.
        objects: Objects that are kept at most.
    """

    def __init__(self, limit: int, objects: int = sys.maxsize) -> None:
        self._limit = limit
        self._most = objects
        self._objects: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self.size = 0
        """Bytes that are kept now."""

    def get(self, key: str) -> bytes | None:
        """Returns an object, or None where it is not kept."""
        with self._lock:
            if key in self._objects:
                self._objects.move_to_end(key)
            return self._objects.get(key)

    def put(self, key: str, data: bytes) -> None:
        """Keeps an object and drops others where it needs their room."""
        with self._lock:
            if key in self._objects or len(data) > self._limit:
                return
            self._objects[key] = data
            self.size += len(data)
            while self.size > self._limit or len(self._objects) > self._most:
                _, dropped = self._objects.popitem(last=False)
                self.size -= len(dropped)
