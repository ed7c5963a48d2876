"""The method's requests to a model as generators, independent of any engine."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import TypeVar

from judgeloop.schema.requests import Request, Response

R = TypeVar("R")

Steps = Generator[Sequence[Request], Sequence[Response], R]
"""The work on one input: a generator that yields the requests of a step, is sent their responses in
the same order, and returns the result. It depends on its input alone, so several may run
concurrently."""


def together(many: Sequence[Steps[R]]) -> Steps[list[R]]:
    """Runs several inputs' steps as one: each step yields the requests of all of them.

    Returns:
        The results, in order.
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
