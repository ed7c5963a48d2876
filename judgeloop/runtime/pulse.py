"""Counts the work of an engine for a running task: tokens, requests in flight, kept results."""

from __future__ import annotations

from collections.abc import Callable

from judgeloop.runtime import spent
from judgeloop.runtime.progress import Pulse
from judgeloop.schema.records import Judgement, Pair
from judgeloop.schema.requests import Response
from judgeloop.store.shards import Work


class Meter:
    """Adds up one task's answers and results.

    Args:
        show: Called with the sums whenever the engine was polled.
    """

    def __init__(self, show: Callable[[Pulse], None] = lambda _: None) -> None:
        self._show = show
        self._tokens = 0
        self._kept = 0
        self._tried = 0

    def answered(self, response: Response) -> None:
        """Counts an answer's tokens."""
        tokens = sum(sample.tokens for sample in response.samples)
        self._tokens += tokens
        spent.add(tokens=tokens)

    def made(self, work: Work) -> None:
        """Counts the results of a shard's inputs: pairs and dropped rows, or judgements."""
        for record in work.records:
            if isinstance(record, Judgement):
                self._kept += record.agrees is True
                self._tried += 1
            elif isinstance(record, Pair):
                self._kept += 1
                self._tried += 1
        self._tried += len(work.dropped)

    def beat(self, requests: int) -> None:
        """Reports the sums.

        Args:
            requests: Number of requests in flight.
        """
        self._show(
            Pulse(tokens=self._tokens, requests=requests, kept=self._kept, tried=self._tried)
        )
