"""Requests to a model and the responses; every engine takes and returns these records.

A request's answer depends on its prompt, images, adapter, sampling and seed alone, never on the
rest of its batch. Sample i of a request uses the seed `request.seed + i`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeVar

import msgspec

from judgeloop.schema.counts import Counts
from judgeloop.schema.sampling import Sampling

P = TypeVar("P")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One user turn: images and a text."""

    id: str
    text: str
    purpose: Literal["answer", "alter", "compare", "judge"]
    variables: dict[str, str] = {}
    """What `text` was rendered from. Purpose and variables are for the scripted engine; an engine
    that runs a model reads `text` and `images` alone."""
    images: tuple[str, ...] = ()
    """Content hashes; the engine fetches them from its image library."""
    images_last: bool = False
    """Whether the images follow the text; else they are before it."""
    sampling: Sampling
    seed: int = 0
    n: int = 1
    verdict_endings: tuple[str, str] | None = None
    """How a judgement ends that prefers the first answer, and one that prefers the second; for an
    engine that enforces such an ending."""
    use_adapter: bool = True
    """False asks the base model without its adapter; no effect where the model has no adapter."""

    def turn(self, images: Sequence[P], text: P) -> list[P]:
        """Returns the parts of the user turn in the order in which they are shown."""
        return [text, *images] if self.images_last else [*images, text]

    @property
    def draws(self) -> int:
        """Number of samples to generate: greedy samples are copies of the first."""
        return min(self.n, 1) if self.sampling.temperature == 0 else self.n

    def spread(self, drawn: Sequence[Sample]) -> tuple[Sample, ...]:
        """Returns all samples of the request, given those that were generated."""
        return tuple(drawn) if self.sampling.temperature else tuple(drawn) * self.n


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One sampled answer. `tokens` counts generated tokens, the end token included."""

    text: str
    finish_reason: Literal["stop", "length"]
    tokens: int


class Usage(msgspec.Struct, frozen=True):
    """Tokens that an endpoint counted and bills. A prompt counts once for each sample."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    def plus(self, other: Usage) -> Usage:
        """Returns the sum."""
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
        )

    def counts(self) -> dict[str, int]:
        """Returns what is above zero, by its name in a manifest."""
        tokens = {"prompt": self.prompt_tokens, "completion": self.completion_tokens}
        return Counts(tokens=tokens).named()


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """The answers to one request, or the reason why there are none."""

    id: str
    samples: tuple[Sample, ...] = ()
    error: str | None = None
    usage: Usage = Usage()
    """Zero for a model that runs here."""
