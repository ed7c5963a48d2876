"""An engine that answers one request at a time, in the order in which they came."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque

from judgeloop.schema.errors import StoreError
from judgeloop.schema.requests import Request, Response


class QueuedEngine(ABC):
    """Keeps requests until they are answered; see `judgeloop.engines.base.Engine`.

    Args:
        room: Requests that may wait.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._waiting: deque[tuple[int, Request]] = deque()

    def has_room(self) -> bool:
        """Returns whether it takes more requests; see `Engine.has_room`."""
        return len(self._waiting) < self._room

    def submit(self, number: int, request: Request) -> None:
        """Takes a request; see `Engine.submit`."""
        self._waiting.append((number, request))

    def poll(self) -> list[tuple[int, Response]]:
        """Answers the oldest waiting request; see `Engine.poll`."""
        if not self._waiting:
            return []
        number, request = self._waiting.popleft()
        try:
            return [(number, self.answer(request))]
        except StoreError:
            self._waiting.clear()
            raise

    def close(self) -> None:
        """Drops the waiting requests; see `Engine.close`."""
        self._waiting.clear()

    @abstractmethod
    def answer(self, request: Request) -> Response:
        """Answers a request.

        Raises:
            StoreError: An image cannot be read.
        """
