"""Packs the samples of waiting requests into batches of bounded size."""

from __future__ import annotations

from itertools import count

import msgspec

from judgeloop.schema.requests import Request
from judgeloop.schema.sampling import Sampling


class Part(msgspec.Struct, frozen=True):
    """Some samples of one request."""

    number: int
    """Number of the request."""
    request: Request
    first: int
    """Index of the first sample."""
    count: int
    place: int
    """Arrival index of the request."""


class Waiting:
    """A queue of samples that packs them into batches.

    A request's samples may be spread over several batches. A batch does not mix requests to the
    base with others, or two kinds of sampling.
    """

    def __init__(self) -> None:
        self._groups: dict[tuple[bool, Sampling], list[Part]] = {}
        self._places = count()
        self._samples = 0

    def __len__(self) -> int:
        """Number of waiting samples."""
        return self._samples

    def add(self, number: int, request: Request) -> None:
        """Queues all samples of a request."""
        parts = self._groups.setdefault((request.use_adapter, request.sampling), [])
        parts.append(Part(number, request, 0, request.draws, next(self._places)))
        self._samples += request.draws

    def drop(self, number: int) -> None:
        """Removes the waiting samples of a request."""
        for parts in self._groups.values():
            parts[:] = [part for part in parts if part.number != number]
        self._samples = sum(map(_samples, self._groups.values()))

    def has_full(self, size: int) -> bool:
        """Returns whether a full batch is waiting."""
        return any(_samples(parts) >= size for parts in self._groups.values())

    def take(self, size: int) -> list[Part]:
        """Returns the next batch: the oldest sample, and those closest to it in length.

        A batch that is not full is returned only if there is no full one.
        """
        groups = [parts for parts in self._groups.values() if parts]
        if not groups:
            return []
        full = [parts for parts in groups if _samples(parts) >= size]
        parts = min(full or groups, key=lambda parts: min(part.place for part in parts))
        oldest = min(parts, key=lambda part: part.place)
        parts.sort(key=lambda part: (_unlike(part, oldest), part.place))
        batch: list[Part] = []
        room = size
        while parts and room:
            part = parts.pop(0)
            taken = min(room, part.count)
            batch.append(msgspec.structs.replace(part, count=taken))
            room -= taken
            if taken < part.count:
                rest = {"first": part.first + taken, "count": part.count - taken}
                parts.append(msgspec.structs.replace(part, **rest))
        self._samples -= size - room
        return batch


def _samples(parts: list[Part]) -> int:
    return sum(part.count for part in parts)


def _unlike(part: Part, other: Part) -> tuple[int, int]:
    """Returns how different two prompts are in number of images and in length."""
    one, two = part.request, other.request
    return abs(len(one.images) - len(two.images)), abs(len(one.text) - len(two.text))
