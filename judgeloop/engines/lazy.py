"""An engine that starts at its first request, and once more where it died."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from judgeloop.engines.base import Engine, EngineDiedError, Settle
from judgeloop.schema.engine_section import EngineSection
from judgeloop.schema.records import ModelRef
from judgeloop.schema.requests import Request, Response, Usage
from judgeloop.schema.sampling import Sampling
from judgeloop.store import Store
from judgeloop.store.images import ImageLibrary

logger = logging.getLogger(__name__)


class LazyEngine:
    """Stands for an engine until it is needed, so that a finished stage starts none.

    An engine that dies is started again, once in a stage: the shard that it worked on is asked
    anew, finished ones stay. One that dies twice dies of its work.

    Args:
        start: Makes the engine.
    """

    def __init__(self, start: Callable[[], Engine]) -> None:
        self._start = start
        self._engine: Engine | None = None
        self._restarted = False
        self._usage = Usage()

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Response]:
        """Answers the requests; starts the engine at the first call that has any.

        Raises:
            EngineDiedError: The engine died, and died again after it was restarted.
            EngineError, StoreError: As `Engine.generate`.
        """
        if not requests:
            return []
        try:
            responses = self._running().generate(requests, sampling)
        except EngineDiedError as error:
            if self._restarted:
                raise EngineDiedError(
                    f"the engine died again after a restart; finished shards are kept: {error}"
                ) from error
            logger.warning("the engine is started once more, finished shards are kept: %s", error)
            self._restarted = True
            self.close()
            return self.generate(requests, sampling)
        for response in responses:
            self._usage = self._usage.plus(response.usage)
        return responses

    def used(self) -> Usage:
        """Returns what an endpoint counted since the last call."""
        usage, self._usage = self._usage, Usage()
        return usage

    def _running(self) -> Engine:
        if self._engine is None:
            self._engine = self._start()
            logger.info("engine started class=%s", type(self._engine).__name__)
        return self._engine

    def close(self) -> None:
        """Closes the engine if it was started."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None


@contextmanager
def lazy_engine(
    settings: EngineSection, model: ModelRef, images: ImageLibrary, store: Store, settle: Settle
) -> Iterator[LazyEngine]:
    """Gives an engine for a block of work, started when first used and closed at the end."""
    from judgeloop.engines import open_engine

    engine = LazyEngine(lambda: open_engine(settings, model, images, store, settle))
    try:
        yield engine
    finally:
        engine.close()
