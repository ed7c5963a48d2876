"""An engine that dies is started once more, and what was finished before is kept."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from judgeloop.engines.base import EngineDiedError
from judgeloop.engines.lazy import LazyEngine
from judgeloop.schema.errors import EngineError
from judgeloop.schema.records import Dropped, Manifest
from judgeloop.schema.requests import Request, Response, Sample
from judgeloop.schema.sampling import Sampling
from judgeloop.store import FolderStore
from judgeloop.store.shards import Work, write_shards

WARM = Sampling()


class Mortal:
    """Plays an engine whose worker dies at calls with certain numbers, over all starts."""

    def __init__(self, deaths: set[int], error: type[Exception] = EngineDiedError) -> None:
        self.deaths = deaths
        self.error = error
        self.starts = self.calls = self.closed = 0

    def start(self) -> "Mortal":
        self.starts += 1
        return self

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Response]:
        self.calls += 1
        if self.calls in self.deaths:
            raise self.error("killed for memory")
        sample = Sample(text="yes", finish_reason="stop", tokens=1)
        return [Response(id=request.id, samples=(sample,)) for request in requests]

    def close(self) -> None:
        self.closed += 1


def ask(name: str) -> list[Request]:
    return [Request(id=name, text="?", purpose="answer")]


def test_no_requests_start_no_engine() -> None:
    mortal = Mortal(set())
    assert LazyEngine(mortal.start).generate([], WARM) == []
    assert mortal.starts == 0


def test_a_dead_engine_is_started_once_more_and_answers(caplog: pytest.LogCaptureFixture) -> None:
    mortal = Mortal({2})
    engine = LazyEngine(mortal.start)
    answers = [engine.generate(ask(name), WARM)[0].id for name in "abc"]
    assert answers == ["a", "b", "c"]
    assert (mortal.starts, mortal.closed) == (2, 1)
    assert [r.message for r in caplog.records if r.levelname == "WARNING"] == [
        "the engine is started once more, finished shards are kept: killed for memory"
    ]


def test_another_error_starts_nothing() -> None:
    mortal = Mortal({1}, EngineError)
    with pytest.raises(EngineError, match="killed"):
        LazyEngine(mortal.start).generate(ask("a"), WARM)
    assert mortal.starts == 1


def test_a_second_death_ends_the_stage_with_one_message_and_keeps_its_shards(
    tmp_path: Path,
) -> None:
    store = FolderStore(tmp_path)
    mortal = Mortal({2, 4})
    engine = LazyEngine(mortal.start)

    def work(batch: Sequence[str]) -> Work:
        made = engine.generate([request for name in batch for request in ask(name)], WARM)
        return Work([], dropped=[Dropped(id=response.id, reason="tie") for response in made])

    header = Manifest(stage="judge", stage_version=1, key="k")
    with pytest.raises(EngineDiedError, match=r"died again after a restart.*killed for memory"):
        write_shards(store, header, [["a"], ["b"], ["c"], ["d"]], work)
    assert store.list("judge/k/") == ["judge/k/00000.jsonl", "judge/k/00001.jsonl"]
    assert mortal.starts == 2
