"""The engine protocol: one seam for Transformers, vLLM, OpenAI-compatible endpoints and the script.

Requests are submitted while the engine has room, and answers are polled as they come, in any order;
what an answer is depends on its own request alone (`judgeloop.schema.requests`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from judgeloop.schema.errors import EngineError
from judgeloop.schema.requests import Request, Response

REFUSALS = (ValueError, TypeError, AttributeError, LookupError, StopIteration)
"""What processors raise on a prompt that they cannot take: the failure of that one request."""


class EngineDiedError(EngineError):
    """The process or the device that ran the model is gone; a new engine may answer."""


class Engine(Protocol):
    """Answers requests with one model (base, or base with an adapter), many at a time.

    An engine with an adapter answers for its base as well, at the same time: a request `to_base`
    gets the texts that an engine without the adapter would give it.
    """

    def has_room(self) -> bool:
        """Says whether one more request now keeps it busier or will do so soon.

        The bound keeps memory flat: what waits in an engine holds images and prompts.
        """
        ...

    def submit(self, number: int, request: Request) -> None:
        """Takes a request; without room it only waits longer.

        Args:
            number: The caller's, by which the answer comes back; unique among what is unanswered.
            request: What to ask.

        Raises:
            EngineError: No request of this kind can be answered.
        """
        ...

    def poll(self) -> list[tuple[int, Response]]:
        """Works for a while and returns what is answered by then, by number; it may be nothing.

        A request that fails (missing image, prompt too long) gets a response with `error`; it never
        fails others. A store that cannot be read is no request's fault: an answer made of that
        would stay for ever.

        Raises:
            EngineDiedError: The engine is of no use any more.
            EngineError: The engine itself failed. Of this and the next, the engine may be asked
                again, and what was submitted before is forgotten.
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
