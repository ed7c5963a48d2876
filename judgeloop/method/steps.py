"""What the method asks of a model and makes of the answers, as generators that know no engine."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import TypeVar

from judgeloop.schema.requests import Request, Response

R = TypeVar("R")

Steps = Generator[Sequence[Request], Sequence[Response], R]
"""One input's work. It yields the requests of a step, which are asked together, is sent a response
to each, in their order, and returns what the input became. Whoever runs it may run others at the
same time: it depends on its input alone."""


def together(many: Sequence[Steps[R]]) -> Steps[list[R]]:
    """Runs several inputs' steps as one: what they ask at a time is asked together.

    Returns:
        What each became, in their order.
    """
    results: dict[int, R] = {}
    waiting: dict[int, Sequence[Request]] = {}

    def resume(place: int, go_on: Callable[[], Sequence[Request]]) -> None:
        try:
            waiting[place] = go_on()
        except StopIteration as end:
            results[place] = end.value

    for place, steps in enumerate(many):
        resume(place, partial(next, steps))
    while waiting:
        asked = dict(waiting)
        waiting.clear()
        responses = iter((yield [request for requests in asked.values() for request in requests]))
        for place, requests in asked.items():
            resume(place, partial(many[place].send, [next(responses) for _ in requests]))
    return [results[place] for place in range(len(many))]
