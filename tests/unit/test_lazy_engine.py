"""An engine that dies is started once more and asked what it had not answered."""

from collections import deque

import pytest

from judgeloop.engines import generate
from judgeloop.engines.base import EngineDiedError
from judgeloop.engines.lazy import LazyEngine
from judgeloop.schema.errors import EngineError
from judgeloop.schema.requests import Request, Response, Sample
from judgeloop.schema.sampling import Sampling


class Mortal:
    """Plays an engine whose worker dies at polls with certain numbers, over all starts."""

    def __init__(self, deaths: set[int], error: type[Exception] = EngineDiedError) -> None:
        self.deaths = deaths
        self.error = error
        self.starts = self.polls = self.closed = 0
        self.asked: list[str] = []
        self.waiting: deque[tuple[int, Request]] = deque()

    def start(self) -> "Mortal":
        self.starts += 1
        return self

    def has_room(self) -> bool:
        return len(self.waiting) < 2

    def submit(self, number: int, request: Request) -> None:
        self.asked.append(request.id)
        self.waiting.append((number, request))

    def poll(self) -> list[tuple[int, Response]]:
        self.polls += 1
        if self.polls in self.deaths:
            raise self.error("killed for memory")
        if not self.waiting:
            return []
        number, request = self.waiting.popleft()
        sample = Sample(text="yes", finish_reason="stop", tokens=1)
        return [(number, Response(id=request.id, samples=(sample,)))]

    def close(self) -> None:
        self.closed += 1
        self.waiting.clear()


def ask(names: str) -> list[Request]:
    return [Request(id=name, text="?", purpose="answer", sampling=Sampling()) for name in names]


def test_no_requests_start_no_engine() -> None:
    mortal = Mortal(set())
    engine = LazyEngine(mortal.start)
    assert engine.has_room()
    assert engine.poll() == generate(engine, []) == []
    assert mortal.starts == 0


def test_a_dead_engine_is_started_once_more_and_asked_what_it_had_not_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    mortal = Mortal({2})
    answers = generate(LazyEngine(mortal.start), ask("abcd"))
    assert [response.id for response in answers] == ["a", "b", "c", "d"]
    assert (mortal.starts, mortal.closed) == (2, 1)
    assert mortal.asked == ["a", "b", "c", "b", "c", "d"]
    assert [r.message for r in caplog.records if r.levelname == "WARNING"] == [
        "restarting the engine; finished shards are kept: killed for memory"
    ]


def test_another_error_starts_nothing() -> None:
    mortal = Mortal({1}, EngineError)
    with pytest.raises(EngineError, match="killed"):
        generate(LazyEngine(mortal.start), ask("a"))
    assert mortal.starts == 1


def test_a_second_death_ends_the_work_with_one_message() -> None:
    mortal = Mortal({2, 4})
    with pytest.raises(EngineDiedError, match=r"died again after a restart.*killed for memory"):
        generate(LazyEngine(mortal.start), ask("abcd"))
    assert mortal.starts == 2
