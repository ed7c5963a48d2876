"""Runs the inputs of several shards on an engine concurrently, so that its slots stay full.

Answers are processed as they finish, and a freed slot takes the next request, if needed from
the next shard. Neither a long answer nor the end of a shard blocks others, as long as several
shards may be in flight.

If inputs have several steps, the order of requests determines how many shards that takes. While the
maximum of shards is in flight, none is begun before the oldest one is stored, so the oldest one's
further steps come first. In the others new inputs are begun before further steps are sent: an input
with all steps left can occupy a slot for longer while the oldest shard is finished.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from typing import NamedTuple, TypeVar

from judgeloop.engines.base import Engine, generate
from judgeloop.method.steps import Steps
from judgeloop.runtime.ordered_writer import OrderedWriter, ordered_writer
from judgeloop.runtime.pulse import Meter
from judgeloop.schema.records import Dropped, Manifest, Record
from judgeloop.schema.requests import Request, Response, Usage
from judgeloop.store import Store
from judgeloop.store.shards import Seen, StageShards, Work

I = TypeVar("I")  # noqa: E741
R = TypeVar("R")

Records = Sequence[Record]
"""The records of an input; `Dropped` if it could not be used."""


class Share(NamedTuple):
    """The shards of one of several workers: every `parts`-th, starting with number `part`."""

    part: int
    """From 0."""
    parts: int

    @property
    def suffix(self) -> str:
        """Suffix that distinguishes its progress and its lease from those of other shares."""
        return f"/p{self.part:03d}" if self.parts > 1 else ""

    def has(self, index: int) -> bool:
        """Returns whether a shard belongs to it."""
        return index % self.parts == self.part


WHOLE = Share(0, 1)
"""All shards."""


def run_steps(engine: Engine, steps: Steps[R]) -> R:
    """Runs one input's steps alone.

    Raises:
        EngineError, StoreError: The engine cannot answer.
    """
    try:
        requests = next(steps)
        while True:
            requests = steps.send(generate(engine, requests))
    except StopIteration as end:
        result: R = end.value
        return result


def infer_shards(
    engine: Engine,
    store: Store,
    manifest: Manifest,
    batches: Iterable[Sequence[I]],
    steps: Callable[[I], Steps[Records]],
    in_flight: int,
    before_shard: Callable[[], bool] = lambda: False,
    advance: Callable[[int], None] = lambda rows: None,
    share: Share = WHOLE,
    stored: frozenset[str] | None = None,
    seen: Seen | None = None,
    meter: Meter | None = None,
) -> Manifest:
    """Processes batches, one shard each; stored shards are not recomputed.

    Args:
        engine: Answers.
        store: Store to write to.
        manifest: The part known before the work: stage, key, inputs, model, details.
        batches: Inputs of shard 0, 1, ...; the same at every start. Read one shard ahead, in a
            thread.
        steps: An input's work, which must depend on that input alone.
        in_flight: Maximum number of shards begun and not yet stored; a kill loses at most these.
        before_shard: Called before each computed shard; returns whether another worker may have
            stored some since, so that stored shards are looked up again.
        advance: Called with the number of inputs of each stored shard, in their order.
        share: Shards to compute here; the others are ignored, and are not in the manifest.
        stored: Keys that are stored already; None to look them up.
        seen: Gets each shard's rows, in the order of the shards.
        meter: Counts every answer and every finished input.

    Returns:
        The manifest with shards and counts (`rows`, `inputs`, `dropped/<reason>`, and the engine's
        counts), not yet stored.

    Raises:
        EngineError, StoreError: As `Engine.poll`, or a shard cannot be written or read.
    """
    shards = StageShards(store, manifest, stored, seen)

    def begun() -> Generator[_Shard, None, None]:
        for index, batch in _read_ahead(enumerate(batches)):
            if not share.has(index):
                continue
            if not shards.is_stored(index) and before_shard():
                shards.look_up()
            if shards.is_stored(index):
                yield _Shard(index, len(batch), None)
            else:
                shards.begin(index, len(batch))
                yield _Shard(index, len(batch), map(steps, batch))

    with ordered_writer(shards, advance) as writer, closing(begun()) as coming:
        _Run(engine, coming, writer, in_flight, meter or Meter()).finish()
    return shards.manifest()


def _read_ahead(values: Iterator[R]) -> Iterator[R]:
    """Yields the same values; the next one is computed in a thread meanwhile."""
    with ThreadPoolExecutor(1, thread_name_prefix="read") as thread:
        coming = thread.submit(next, values, None)
        while (value := coming.result()) is not None:
            coming = thread.submit(next, values, None)
            yield value


class _Shard:
    """A shard in flight: the inputs that are not begun yet, and the results of the others."""

    def __init__(self, index: int, inputs: int, steps: Iterator[Steps[Records]] | None) -> None:
        self.index = index
        self.inputs = inputs
        self.usage = Usage()
        self.is_stored = steps is None
        self.further_steps: deque[tuple[_Input, int]] = deque()
        """Requests of further steps that wait for a slot."""
        self._steps = enumerate(steps or ())
        self._results: dict[int, Records] = {}

    def next_input(self) -> _Input | None:
        """Begins the next input; None if all are begun."""
        for place, steps in self._steps:
            return _Input(self, place, steps)
        return None

    def set_result(self, place: int, records: Records) -> None:
        """Stores the records of an input."""
        self._results[place] = records

    def is_complete(self) -> bool:
        """Returns whether all inputs have results."""
        return self.is_stored or len(self._results) == self.inputs

    def work(self) -> Work | None:
        """Returns its results, in the order of its inputs; None for a stored shard."""
        if self.is_stored:
            return None
        records = [record for place in range(self.inputs) for record in self._results[place]]
        return Work(
            records=[record for record in records if not isinstance(record, Dropped)],
            dropped=[record for record in records if isinstance(record, Dropped)],
            cost=self.usage.counts(),
        )


class _Input:
    """One input at one of its steps."""

    def __init__(self, shard: _Shard, place: int, steps: Steps[Records]) -> None:
        self.shard = shard
        self.requests: Sequence[Request] = ()
        self._place = place
        self._steps = steps
        self._responses: dict[int, Response] = {}

    def begin(self) -> bool:
        """Goes to the first step; returns False if there is none."""
        return self._go_on(lambda: next(self._steps))

    def take(self, index: int, response: Response) -> bool:
        """Adds an answer; returns whether the step is complete and another one follows."""
        self.shard.usage = self.shard.usage.plus(response.usage)
        self._responses[index] = response
        if len(self._responses) < len(self.requests):
            return False
        responses = [self._responses[index] for index in range(len(self.requests))]
        return self._go_on(lambda: self._steps.send(responses))

    def _go_on(self, resume: Callable[[], Sequence[Request]]) -> bool:
        self._responses = {}
        try:
            self.requests = resume()
        except StopIteration as end:
            self.shard.set_result(self._place, end.value)
            return False
        return True


class _Run:
    """The work on all shards.

    Args:
        engine: Answers.
        shards: Shards to begin one after the other, as room allows.
        writer: Stores complete shards.
        in_flight: Maximum number of shards begun and not yet stored.
        meter: Counts answers and results.
    """

    def __init__(
        self, engine: Engine, shards: Iterator[_Shard], writer: OrderedWriter, in_flight: int,
        meter: Meter,
    ) -> None:  # fmt: skip
        self._meter = meter
        self._engine = engine
        self._shards = shards
        self._writer = writer
        self._in_flight = in_flight
        self._begun: deque[_Shard] = deque()
        self._first_step: deque[tuple[_Input, int]] = deque()  # of the input that is being begun
        self._asked: dict[int, tuple[_Input, int]] = {}
        self._numbers = count()

    def finish(self) -> None:
        """Runs until all shards are stored."""
        while True:
            self._submit()
            if self._asked:
                for number, response in self._engine.poll():
                    item, index = self._asked.pop(number)
                    self._meter.answered(response)
                    if item.take(index, response):
                        item.shard.further_steps.extend(_requests(item))
                self._meter.beat(len(self._asked))
                self._hand_over()
                self._writer.collect()
            elif not self._writer.wait():
                return

    def _submit(self) -> None:
        while self._engine.has_room() and (ready := self._next_request()):
            item, index = ready
            number = next(self._numbers)
            self._asked[number] = ready
            self._engine.submit(number, item.requests[index])

    def _next_request(self) -> tuple[_Input, int] | None:
        """Returns the request that gets the next slot; None if there is none now."""
        if self._begun and self._begun[0].further_steps:
            return self._begun[0].further_steps.popleft()
        if self._first_step or self._begin_input():
            return self._first_step.popleft()
        for shard in self._begun:
            if shard.further_steps:
                return shard.further_steps.popleft()
        return None

    def _begin_input(self) -> bool:
        """Begins inputs until there is a request; returns False if none may begin now."""
        while not self._first_step:
            item = self._begun[-1].next_input() if self._begun else None
            if item is None:
                if not self._begin_shard():
                    return False
            elif item.begin():
                self._first_step.extend(_requests(item))
            else:
                self._hand_over()
        return True

    def _begin_shard(self) -> bool:
        self._writer.collect()
        unfinished = sum(not shard.is_stored for shard in self._begun)
        if unfinished + self._writer.unstored >= self._in_flight:
            return False
        shard = next(self._shards, None)
        if shard is None:
            return False
        self._begun.append(shard)
        self._hand_over()
        return True

    def _hand_over(self) -> None:
        """Passes complete shards to the writer, up to the first incomplete one."""
        while self._begun and self._begun[0].is_complete():
            shard = self._begun.popleft()
            work = shard.work()
            if work is not None:
                self._meter.made(work)
            self._writer.put(shard.index, shard.inputs, work)


def _requests(item: _Input) -> Iterator[tuple[_Input, int]]:
    return ((item, index) for index in range(len(item.requests)))
