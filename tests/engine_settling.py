"""Sees how an engine settles, from within it: vLLM's runs in a process of its own."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from judgeloop.schema.errors import StoreError
from judgeloop.schema.requests import Request, Response
from judgeloop.schema.sampling import Sampling


class Settling(NamedTuple):
    """What was seen."""

    images_opened: int
    """Before it settled for the first time."""
    answers_refused: bool
    """Whether it ended without an answer where the store failed."""
    responses: list[Response]
    """Of the next call, with a store that does not fail."""


class _Opened:
    """An image library that counts what is opened."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self.count = 0

    def open(self, name: str) -> Any:
        self.count += 1
        return self._library.open(name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)


def settling(engine: Any, requests: Sequence[Request], sampling: Sampling) -> Settling:
    """Asks twice: with a store that fails when the engine settles, and with one that doesn't."""
    library, settle = engine._images, engine._settle
    opened = engine._images = _Opened(library)
    at_first: list[int] = []

    def fail() -> None:
        at_first.append(opened.count)
        raise StoreError("no space left")

    try:
        engine._settle = fail
        refused = False
        try:
            engine.generate(requests, sampling)
        except StoreError:
            refused = True
        engine._settle = settle
        responses = engine.generate(requests, sampling)
    finally:
        engine._images, engine._settle = library, settle
    return Settling(at_first[0] if at_first else 0, refused, responses)
