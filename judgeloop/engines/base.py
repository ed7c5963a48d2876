"""The engine protocol: Transformers, vLLM, OpenAI-compatible endpoints and the scripted engine.

Requests are submitted while the engine has room, and answers are polled as they finish, in any
order. An answer depends on its own request alone (`judgeloop.schema.requests`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from judgeloop.schema.errors import EngineError
from judgeloop.schema.requests import Request, Response

REFUSALS = (ValueError, TypeError, AttributeError, LookupError, StopIteration)
"""Errors that processors raise for a prompt they refuse; they fail that request alone."""


class EngineDiedError(EngineError):
    """The process or the device that ran the model failed; a new engine may work."""


class Engine(Protocol):
    """Answers requests with one model (base, or base with an adapter), many at a time.

    An engine with an adapter can answer for the base model at the same time: a request with
    `use_adapter=False` gets the text that an engine without the adapter would return.
    """

    def has_room(self) -> bool:
        """Returns whether the engine can make use of one more request now or soon.

        The bound limits memory: waiting requests hold images and prompts.
        """
        ...

    def submit(self, number: int, request: Request) -> None:
        """Adds a request; if there is no room, it waits in the engine.

        Args:
            number: Chosen by the caller, returned with the answer; unique among pending requests.
            request: The request.

        Raises:
            EngineError: No request of this kind can be answered.
        """
        ...

    def poll(self) -> list[tuple[int, Response]]:
        """Works for a while and returns the finished answers by number; there may be none.

        A request that fails (missing image, prompt too long) gets a response with `error`; it never
        fails others. A store that cannot be read is raised instead: a response with its `error`
        would be stored as a result.

        Raises:
            EngineDiedError: The engine cannot be used any more.
            EngineError: The engine itself failed; pending requests are lost. After this and the
                next error the engine can be used again.
            StoreError: Images cannot be read, or their bytes are damaged.
        """
        ...

    def close(self) -> None:
        """Frees the model's memory."""
        ...


def generate(engine: Engine, requests: Sequence[Request]) -> list[Response]:
    """Answers requests: one response each, in their order.

    Raises:
        EngineError, StoreError: As `Engine.poll`.
    """
    waiting = deque(enumerate(requests))
    answers: dict[int, Response] = {}
    while len(answers) < len(requests):
        while waiting and engine.has_room():
            engine.submit(*waiting.popleft())
        answers.update(engine.poll())
    return [answers[number] for number in range(len(requests))]
