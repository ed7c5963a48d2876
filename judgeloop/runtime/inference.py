"""Runs the inputs of several shards on an engine at once, so that its slots stay full.

Answers are processed as they finish, and a freed slot takes the next request, if needed from
the next shard. Neither a long answer nor the end of a shard blocks others, as long as several
shards may be in flight.

Which request is next decides how many shards that takes, where an input has several steps. No shard
may be begun before the oldest one is stored, so the oldest one's further steps come first. In the
others inputs are begun before further steps are asked: an input that has all of its steps before it
can occupy a slot for longer while the oldest shard is finished.
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
"""What an input became; `Dropped` where it could not be used."""


class Share(NamedTuple):
    """The shards that one of several workers makes: every `parts`-th, from number `part` on."""

    part: int
    """From 0."""
    parts: int

    @property
    def suffix(self) -> str:
        """What its progress and its lease are told from those of other shares by."""
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
    """Processes batches, one shard each; stored shards are not computed again.

    Args:
        engine: Answers.
        store: Where to write.
        manifest: What is known before the work: stage, key, inputs, model, details.
        batches: Inputs of shard 0, 1, ...; the same at every start. Read a shard ahead, in a
            thread.
        steps: An input's work, which must depend on that input alone.
        in_flight: Shards that may be begun and not yet stored; a kill costs these at most.
        before_shard: Called before each shard that is made; says whether another worker may have
            stored some since, so that they are looked up again.
        advance: Called with the number of inputs of each stored shard, in their order.
        share: Which shards are made here; the others are ignored, and are not in the manifest.
        stored: What is stored of the work; None to look it up.
        seen: Is given each shard's rows, in the order of the shards.
        meter: Is told of every answer and every input that is done.

    Returns:
        The manifest with shards and counts (`rows`, `inputs`, `dropped/<reason>`, and what the
        engine counted), not yet stored.

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
    """Yields the same; the next one is being made in a thread meanwhile."""
    with ThreadPoolExecutor(1, thread_name_prefix="read") as thread:
        coming = thread.submit(next, values, None)
        while (value := coming.result()) is not None:
            coming = thread.submit(next, values, None)
            yield value


class _Shard:
    """A shard in flight: the inputs that are not begun yet, and what the others became."""

    def __init__(self, index: int, inputs: int, steps: Iterator[Steps[Records]] | None) -> None:
        self.index = index
        self.inputs = inputs
        self.usage = Usage()
        self.is_stored = steps is None
        self.further_steps: deque[tuple[_Input, int]] = deque()
        """Requests of inputs that were answered and continue; no slot has taken them."""
        self._steps = enumerate(steps or ())
        self._results: dict[int, Records] = {}

    def next_input(self) -> _Input | None:
        """Begins with the next input; None if all are begun."""
        for place, steps in self._steps:
            return _Input(self, place, steps)
        return None

    def set_result(self, place: int, records: Records) -> None:
        """Takes what an input became."""
        self._results[place] = records

    def is_complete(self) -> bool:
        """Returns whether all inputs have become something."""
        return self.is_stored or len(self._results) == self.inputs

    def work(self) -> Work | None:
        """Returns what it holds, in the order of its inputs; None for one that is stored."""
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
        """Goes to the first step; False if there is none."""
        return self._go_on(lambda: next(self._steps))

    def take(self, index: int, response: Response) -> bool:
        """Takes an answer; returns whether it was the step's last and there is another step."""
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
        shards: Begun one after the other, when there is room for them.
        writer: Gets the complete ones.
        in_flight: Shards that may be begun and not yet stored.
        meter: Is told what happens.
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
        self._first_step: deque[tuple[_Input, int]] = deque()  # of the input that is begun now
        self._asked: dict[int, tuple[_Input, int]] = {}
        self._numbers = count()

    def finish(self) -> None:
        """Works until all shards are stored."""
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
        """Begins with inputs until there is a request; False if none may begin now."""
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
        """Gives the complete shards to the writer, up to the first that is not."""
        while self._begun and self._begun[0].is_complete():
            shard = self._begun.popleft()
            work = shard.work()
            if work is not None:
                self._meter.made(work)
            self._writer.put(shard.index, shard.inputs, work)


def _requests(item: _Input) -> Iterator[tuple[_Input, int]]:
    return ((item, index) for index in range(len(item.requests)))
