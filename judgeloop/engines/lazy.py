"""An engine that starts at its first request and is restarted once if it dies."""

from __future__ import annotations

import logging
from collections.abc import Callable

from judgeloop.engines.base import Engine, EngineDiedError
from judgeloop.schema.requests import Request, Response

logger = logging.getLogger(__name__)


class LazyEngine:
    """Starts an engine when it is first needed, so that a finished stage starts none.

    An engine that dies is restarted once per stage, and its pending requests are submitted again. A
    second death is an error: the requests probably cause it.

    Args:
        start: Creates the engine.
    """

    def __init__(self, start: Callable[[], Engine]) -> None:
        self._start = start
        self._engine: Engine | None = None
        self._restarted = False
        self._unanswered: dict[int, Request] = {}

    def has_room(self) -> bool:
        """Returns whether it takes more requests; always True before the engine is started."""
        return self._engine is None or self._engine.has_room()

    def submit(self, number: int, request: Request) -> None:
        """Takes a request; the first one starts the engine.

        Raises:
            EngineError, StoreError: The engine cannot be started or refuses the request.
        """
        if self._engine is None:
            self._engine = self._start()
            logger.info("engine started class=%s", type(self._engine).__name__)
        self._unanswered[number] = request
        self._engine.submit(number, request)

    def poll(self) -> list[tuple[int, Response]]:
        """Works for a while; see `Engine.poll`.

        Raises:
            EngineDiedError: The engine died, and died again after it was restarted.
            EngineError, StoreError: As `Engine.poll`.
        """
        if self._engine is None:
            return []
        try:
            answered = self._engine.poll()
        except EngineDiedError as error:
            self._restart(error)
            return []
        for number, _ in answered:
            del self._unanswered[number]
        return answered

    def close(self) -> None:
        """Closes the engine if it was started."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _restart(self, error: EngineDiedError) -> None:
        if self._restarted:
            raise EngineDiedError(
                f"the engine died again after a restart; finished shards are kept: {error}"
            ) from error
        logger.warning("restarting the engine; finished shards are kept: %s", error)
        self._restarted = True
        self.close()
        for number, request in list(self._unanswered.items()):
            self.submit(number, request)
