"""An engine of few slots that answers in whatever order a test wants, and what is made of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from judgeloop.method.steps import Steps
from judgeloop.runtime.inference import Records
from judgeloop.schema.records import Dropped, Example
from judgeloop.schema.requests import Request, Response, Sample, Usage
from judgeloop.schema.sampling import Sampling


class PlayedEngine:
    """Answers one request a poll; the text is the request's own, and the cost one token.

    Args:
        slots: Requests that it takes at a time.
        choose: Returns which of the waiting ids is answered next.
        before_poll: Called before each poll, with the ids that wait.
    """

    def __init__(
        self,
        slots: int = 4,
        choose: Callable[[Sequence[str]], str] = lambda waiting: waiting[0],
        before_poll: Callable[[Sequence[str]], None] = lambda waiting: None,
    ) -> None:
        self.slots = slots
        self.choose = choose
        self.before_poll = before_poll
        self.waiting: dict[str, int] = {}
        self.asked: list[str] = []
        self.answered: list[str] = []

    def has_room(self) -> bool:
        return len(self.waiting) < self.slots

    def submit(self, number: int, request: Request) -> None:
        assert request.id not in self.waiting
        self.asked.append(request.id)
        self.waiting[request.id] = number

    def poll(self) -> list[tuple[int, Response]]:
        self.before_poll(list(self.waiting))
        name = self.choose(list(self.waiting))
        self.answered.append(name)
        sample = Sample(text=f"to {name}", finish_reason="stop", tokens=1)
        response = Response(id=name, samples=(sample,), usage=Usage(0, 1))
        return [(self.waiting.pop(name), response)]

    def close(self) -> None:
        self.waiting.clear()


def at_random(seed: int) -> Callable[[Sequence[str]], str]:
    """Answers in any order."""
    rng = random.Random(seed)
    return lambda waiting: rng.choice(list(waiting))


def request(name: str) -> Request:
    return Request(id=name, text="?", purpose="answer", sampling=Sampling())


def two_steps(name: str) -> Steps[Records]:
    """Asks twice at first; names with a `z` are dropped then, the others ask once more."""
    first, second = yield [request(f"{name}/0"), request(f"{name}/1")]
    text = first.samples[0].text + ", " + second.samples[0].text
    if "z" in name:
        return [Dropped(id=name, reason="tie", detail=text)]
    (last,) = yield [request(f"{name}/2")]
    completion = last.samples[0].text
    return [Example(id=name, images=(), prompt=text, completion=completion)]
