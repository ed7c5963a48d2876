"""Stores what was made last while the next is being made, so that a model never waits for it.

One thing alone may be on its way: no answer of the next shard is taken before the last is there.
So a kill costs the answers of one shard at most, as if each had been stored before the next began.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

logger = logging.getLogger(__name__)


class Storing:
    """What is on its way to the store; a block of work, at whose end nothing is."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._last: Future[None] | None = None

    def __enter__(self) -> Self:
        """Begins the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Waits for the last; raises what kept it from the store, unless the block failed first."""
        self._thread.shutdown()
        if error is None:
            self.settle()
        elif self._last is not None and (lost := self._last.exception()) not in (None, error):
            logger.warning("what was made last is not in the store: %s", lost)

    def begin(self, store: Callable[[], None]) -> None:
        """Has something stored in the background, once what was begun before is there.

        Raises:
            StoreError: What was begun before could not be stored.
        """
        self.settle()
        self._last = self._thread.submit(store)

    def settle(self) -> None:
        """Waits until what was begun is there; threads may all wait.

        Raises:
            StoreError: It could not be stored.
        """
        last = self._last  # another thread may have waited, and forgotten it, meanwhile
        if last is not None:
            last.result()
            self._last = None
