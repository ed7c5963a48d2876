"""Packs the samples of requests into batches of bounded size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from judgeloop.schema.requests import Request


class Part(msgspec.Struct, frozen=True):
    """Some samples of one request."""

    index: int
    """The request's place among all."""
    request: Request
    first: int
    """Number of the first sample."""
    count: int


def batches(requests: Sequence[Request], batch_size: int, greedy: bool) -> Iterator[list[Part]]:
    """Yields batches of at most `batch_size` samples, prompts of like length together.

    A request's samples may be spread over several batches. The longest prompts come first, so that
    memory is short at once or never. No batch holds requests to the base and others: those to the
    base come last.

    Args:
        requests: What to answer.
        batch_size: Samples that are decoded together.
        greedy: The samples of a request are all the same, so one is enough.
    """
    order = sorted(
        range(len(requests)),
        key=lambda index: (
            requests[index].to_base,
            -len(requests[index].images),
            -len(requests[index].text),
            index,
        ),
    )
    batch: list[Part] = []
    room = batch_size
    for index in order:
        request = requests[index]
        if batch and batch[0].request.to_base != request.to_base:
            yield batch
            batch, room = [], batch_size
        total = min(request.n, 1) if greedy else request.n
        first = 0
        while first < total:
            count = min(room, total - first)
            batch.append(Part(index, request, first, count))
            first += count
            room -= count
            if room == 0:
                yield batch
                batch, room = [], batch_size
    if batch:
        yield batch
