"""Write-behind: stores the shards of a stage in order, in a thread."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager

from judgeloop.schema.errors import StoreError
from judgeloop.store.shards import StageShards, Work

logger = logging.getLogger(__name__)


class OrderedWriter:
    """Stores shards one after the other; use `ordered_writer` to create and close it.

    Args:
        shards: Writes the shards.
        thread: An executor with one worker.
        advance: Called with the number of inputs of each stored shard.
    """

    def __init__(
        self, shards: StageShards, thread: Executor, advance: Callable[[int], None]
    ) -> None:
        self._shards = shards
        self._thread = thread
        self._advance = advance
        self._pending: deque[tuple[int, bool, Future[None]]] = deque()
        self._failed = False
        self.unstored = 0
        """Number of new shards whose write is pending."""

    def put(self, index: int, inputs: int, made: Work | None) -> None:
        """Queues the next shard.

        Args:
            index: Number of the shard.
            inputs: Number of its inputs.
            made: Its content; None for a shard that is stored already.
        """
        self.unstored += made is not None
        stored = self._thread.submit(self._store, index, inputs, made)
        self._pending.append((inputs, made is not None, stored))

    def collect(self) -> None:
        """Accounts for the writes that have finished.

        Raises:
            StoreError: A shard could not be stored.
        """
        while self._pending and self._pending[0][2].done():
            self.wait()

    def wait(self) -> bool:
        """Awaits the oldest pending write; returns whether there was one.

        Raises:
            StoreError: It could not be stored.
        """
        if not self._pending:
            return False
        inputs, was_made, stored = self._pending[0]
        stored.result()
        self._pending.popleft()
        self.unstored -= was_made
        self._advance(inputs)
        return True

    def _store(self, index: int, inputs: int, made: Work | None) -> None:
        if self._failed:
            return  # no shard is stored after a gap
        try:
            if made is None:
                self._shards.add_stored(index, inputs)
            else:
                self._shards.store(index, inputs, made)
        except BaseException:
            self._failed = True
            raise


@contextmanager
def ordered_writer(shards: StageShards, advance: Callable[[int], None]) -> Iterator[OrderedWriter]:
    """Yields a writer; awaits its pending writes at the end of the block.

    They are awaited if the block fails, too; then a failed write is only logged.

    Raises:
        StoreError: A shard could not be stored.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="store") as thread:
        writer = OrderedWriter(shards, thread, advance)
        try:
            yield writer
            while writer.wait():
                pass
        except BaseException as error:
            try:
                while writer.wait():
                    pass
            except StoreError as lost:
                if lost is not error:
                    logger.warning("finished shards are not in the store: %s", lost)
            raise
