"""Counts how many decoded images an engine holds at a time, from within it."""

import threading
import weakref
from collections.abc import Sequence
from typing import Any

from judgeloop.engines import generate
from judgeloop.schema.requests import Request


class _Counting:
    """An image library that knows which of its images are still in memory."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self._lock = threading.RLock()  # an image may go in any thread, and in this one
        self.opened = self.alive = self.most = 0

    def open(self, name: str) -> Any:
        image = self._library.open(name)
        weakref.finalize(image, self._forget)
        with self._lock:
            self.opened += 1
            self.alive += 1
            self.most = max(self.most, self.alive)
        return image

    def _forget(self) -> None:
        with self._lock:
            self.alive -= 1


def images_alive(engine: Any, requests: Sequence[Request]) -> tuple[int, int]:
    """Returns how many images were decoded for some requests, and the most held at a time."""
    pictures = engine._pictures
    library = pictures._library
    counting = pictures._library = _Counting(library)
    try:
        generate(engine, requests)
    finally:
        pictures._library = library
    return counting.opened, counting.most
