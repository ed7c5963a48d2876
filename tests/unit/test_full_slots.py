"""With answers of varied length the slots stay full: near what one stream of all requests takes.

Time is virtual: a slot makes a token a tick, and takes the next request at once. So what is counted
is what waiting costs, and nothing else. Lengths are log-normal, cut at a limit.
"""

import heapq
import math
import random
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest

from judgeloop.method.steps import Steps
from judgeloop.runtime import ordered_writer
from judgeloop.runtime.inference import Records, infer_shards
from judgeloop.schema.records import Dropped, Manifest
from judgeloop.schema.requests import Request, Response, Sample
from judgeloop.schema.sampling import Sampling
from judgeloop.store import FolderStore

SLOTS, SHARD = 256, 200
MEDIAN, SIGMA, LIMIT = 96, 0.6, 256
HEADER = Manifest(stage="judge", stage_version=1, key="k")
CHAINS: dict[str, Sequence[int]] = {
    "judging": (2,),
    "open": (1, 1),
    "open, meaning checked": (1, 1, 1),
    "closed": (16,),
}
"""Requests of each step of an input; the samples of a vote count as requests here."""


def tokens(name: str) -> int:
    length = random.Random(name).lognormvariate(math.log(MEDIAN), SIGMA)
    return min(LIMIT, max(1, round(length)))


class VirtualEngine:
    """Slots with a clock of their own."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.now = 0
        self.running: list[tuple[int, int, Request]] = []
        self.asked: list[str] = []

    def has_room(self) -> bool:
        return len(self.running) < self.slots

    def submit(self, number: int, request: Request) -> None:
        self.asked.append(request.id)
        heapq.heappush(self.running, (self.now + tokens(request.id), number, request))

    def poll(self) -> list[tuple[int, Response]]:
        self.now, number, request = heapq.heappop(self.running)
        sample = Sample(text="", finish_reason="stop", tokens=1)
        return [(number, Response(id=request.id, samples=(sample,)))]

    def close(self) -> None:
        self.running.clear()


class InlineExecutor(Executor):
    """A store that takes no time."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def one_stream(names: Sequence[str]) -> int:
    """How long all requests take that are there from the start."""
    free = [0] * SLOTS
    for name in names:
        heapq.heapreplace(free, free[0] + tokens(name))
    return max(free)


@pytest.mark.parametrize(
    ("kind", "shards", "in_flight", "least", "most"),
    [
        ("judging", 16, 3, 1.0, 1.01),
        ("judging", 16, 1, 1.8, 9.9),  # the test notices slots that wait
        ("closed", 2, 3, 1.0, 1.01),
        ("open", 50, 4, 1.0, 1.01),
        ("open", 50, 3, 1.0, 1.05),  # two steps, and 200 questions are less than 256 slots
        ("open", 4, 4, 1.0, 1.01),  # the whole stage is in flight: no second step comes last
        ("open, meaning checked", 50, 4, 1.0, 1.02),
        ("open, meaning checked", 50, 3, 1.0, 1.02),
    ],
)
def test_shards_in_flight_take_hardly_more_than_one_stream(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    shards: int,
    in_flight: int,
    least: float,
    most: float,
) -> None:
    monkeypatch.setattr(ordered_writer, "ThreadPoolExecutor", lambda *_, **__: InlineExecutor())

    def steps(name: str) -> Steps[Records]:
        for step, requests in enumerate(CHAINS[kind]):
            yield [
                Request(id=f"{name}/{step}/{n}", text="", purpose="answer", sampling=Sampling())
                for n in range(requests)
            ]
        return [Dropped(id=name, reason="tie")]

    names = [f"{kind}{number}" for number in range(shards * SHARD)]
    batches = [names[start : start + SHARD] for start in range(0, len(names), SHARD)]
    engine = VirtualEngine(SLOTS)
    infer_shards(engine, FolderStore(tmp_path), HEADER, batches, steps, in_flight)
    ratio = engine.now / one_stream(engine.asked)
    print(f"{kind}, {shards} shards, {in_flight} in flight: {ratio:.3f} of one stream")
    assert least <= ratio <= most
