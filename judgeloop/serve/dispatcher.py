"""Passes requests from HTTP threads to the engine, which only one thread may use."""

from __future__ import annotations

import queue
import threading
from collections import deque
from concurrent.futures import Future
from itertools import count

from judgeloop.engines.base import Engine, EngineDiedError
from judgeloop.schema.errors import EngineError, StoreError
from judgeloop.schema.requests import Response
from judgeloop.serve.images import RequestImages
from judgeloop.serve.protocol import ChatRequest, RefusedError

MAX_WAITING = 256
"""Length of the queue; when it is full, requests are refused, and clients retry later."""
_IDLE_S = 0.2


class Dispatcher:
    """Queues requests from threads and runs them on an engine.

    Args:
        engine: Used only by the thread that calls `work`.
        images: The engine reads images from it.
    """

    def __init__(self, engine: Engine, images: RequestImages) -> None:
        self._engine = engine
        self._images = images
        self._coming: queue.Queue[tuple[int, ChatRequest, tuple[str, ...], Future[Response]]]
        self._coming = queue.Queue(MAX_WAITING)
        self._numbers = count(1)
        self._ended = threading.Event()

    def ask(self, asked: ChatRequest) -> tuple[int, Response]:
        """Waits for an answer; returns the request's number and the answer.

        Raises:
            RefusedError: The server is busy or shutting down, or the engine has failed.
            DataError: A picture cannot be used.
        """
        number, answer = next(self._numbers), Future[Response]()
        with self._images.holding(asked.pictures) as names:
            try:
                self._coming.put_nowait((number, asked, names, answer))
            except queue.Full as error:
                raise RefusedError(429, f"{MAX_WAITING} requests are waiting already") from error
            while True:
                try:
                    return number, answer.result(timeout=_IDLE_S)
                except TimeoutError as error:
                    if self._ended.is_set():
                        raise RefusedError(503, "the server is shutting down") from error
                except EngineError as error:
                    raise RefusedError(500, str(error)) from error

    def end(self) -> None:
        """Stops `work`."""
        self._ended.set()

    def work(self) -> None:
        """Answers requests until `end` is called.

        Raises:
            EngineDiedError: The engine cannot be used any more.
        """
        waiting: deque[tuple[int, ChatRequest, tuple[str, ...], Future[Response]]] = deque()
        asked: dict[int, Future[Response]] = {}
        try:
            while not self._ended.is_set():
                self._take(waiting, idle=not (waiting or asked))
                try:
                    self._step(waiting, asked)
                except (EngineError, StoreError) as error:
                    for answer in asked.values():
                        answer.set_exception(EngineError(str(error)))
                    asked.clear()
                    if isinstance(error, EngineDiedError):
                        raise
        finally:
            self._ended.set()

    def _take(
        self,
        waiting: deque[tuple[int, ChatRequest, tuple[str, ...], Future[Response]]],
        *,
        idle: bool,
    ) -> None:
        try:
            waiting.append(self._coming.get(timeout=_IDLE_S) if idle else self._coming.get_nowait())
            while True:
                waiting.append(self._coming.get_nowait())
        except queue.Empty:
            return

    def _step(
        self,
        waiting: deque[tuple[int, ChatRequest, tuple[str, ...], Future[Response]]],
        asked: dict[int, Future[Response]],
    ) -> None:
        while waiting and self._engine.has_room():
            number, one, names, answer = waiting.popleft()
            asked[number] = answer
            self._engine.submit(number, one.request(number, names))
        if asked:
            for number, response in self._engine.poll():
                asked.pop(number).set_result(response)
