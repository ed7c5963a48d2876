"""The engine protocol: one seam for Transformers, vLLM, OpenAI-compatible endpoints and the script.

What they are asked and what they answer is in `judgeloop.schema.requests`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from judgeloop.schema.errors import EngineError
from judgeloop.schema.requests import Request, Response
from judgeloop.schema.sampling import Sampling

Settle = Callable[[], None]
"""Waits until what was made of earlier answers is in the store. An engine is given it when it is
opened, and calls it when it is at work, before it takes the first answer of a call (and as often as
it likes afterwards, in whatever thread): so no model waits while a shard is stored, and yet a kill
loses the answers of one shard at most."""


def nothing_pending() -> None:
    """Settles for a caller who stores nothing behind the engine's back."""


class EngineDiedError(EngineError):
    """The process or the device that ran the model is gone; a new engine may answer."""


class Engine(Protocol):
    """Answers requests with one model (base, or base with an adapter).

    An engine with an adapter answers for its base as well, in the same call: a request `to_base`
    gets the texts that an engine without the adapter would give it.
    """

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Response]:
        """Answers every request: one response each, in order, ids kept.

        A request that fails (missing image, prompt too long) gets a response with `error`; it never
        fails its batch. A store that cannot be read is no request's fault: an answer made of that
        would stay for ever.

        Raises:
            EngineError: The engine itself died or the device failed.
            StoreError: Images cannot be read, or their bytes are damaged; or `Settle` raised it.
        """
        ...

    def close(self) -> None:
        """Frees the model's memory."""
        ...
