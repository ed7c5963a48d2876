"""Stores what was made last while the next is being made, so that a model never waits for it.

One thing alone may be on its way: no answer of the next shard is taken before the last is there.
So a kill costs the answers of one shard at most, as if each had been stored before the next began.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager

logger = logging.getLogger(__name__)


class Storing:
    """Knows what is on its way to the store; `storing` makes and ends it.

    Args:
        thread: Stores one after the other.
    """

    def __init__(self, thread: Executor) -> None:
        self._thread = thread
        self._last: Future[None] | None = None

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

    def failure(self) -> BaseException | None:
        """Waits as well, and returns what kept it from the store."""
        return None if self._last is None else self._last.exception()


class AtOnce:
    """Stores before anything else goes on; for work without a model."""

    def begin(self, store: Callable[[], None]) -> None:
        """Has something stored."""
        store()

    def settle(self) -> None:
        """Has nothing to wait for."""


@contextmanager
def storing() -> Iterator[Storing]:
    """Gives a block of work a way to store behind its back; at its end nothing is on its way.

    Where the block fails, what was made last is stored all the same, or the log says why not.

    Raises:
        StoreError: What was begun last could not be stored.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="store") as thread:
        behind = Storing(thread)
        try:
            yield behind
        except BaseException as error:
            lost = behind.failure()
            if lost is not None and lost is not error:
                logger.warning("what was made last is not in the store: %s", lost)
            raise
        behind.settle()
