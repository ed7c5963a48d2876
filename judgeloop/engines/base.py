"""The engine protocol: one seam for Transformers, vLLM, OpenAI-compatible endpoints and the script.

A request's answer depends on its prompt, images, adapter, sampling and seed alone, never on the
batch that it travels in. Sample i of a request uses the seed `request.seed + i`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import msgspec

from judgeloop.schema.errors import EngineError
from judgeloop.schema.records import VerdictFormat
from judgeloop.schema.sampling import Sampling


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One user turn: images first, then text."""

    id: str
    text: str
    purpose: Literal["answer", "alter", "judge"]
    variables: dict[str, str] = {}
    """What `text` was rendered from. Purpose and variables are for the scripted engine; an engine
    that runs a model reads `text` and `images` alone."""
    images: tuple[str, ...] = ()
    """Content hashes; the engine fetches them from its image library."""
    seed: int = 0
    n: int = 1
    verdict_format: VerdictFormat | None = None
    """Of a judgement: how its verdict is written, for an engine that is to enforce it."""
    to_base: bool = False
    """Asks the base alone; no difference where the engine's model has no adapter."""


Settle = Callable[[], None]
"""Waits until what was made of earlier answers is in the store. An engine is given it when it is
opened, and calls it when it is at work, before it takes the first answer of a call (and as often as
it likes afterwards, in whatever thread): so no model waits while a shard is stored, and yet a kill
loses the answers of one shard at most."""


def nothing_pending() -> None:
    """Settles for a caller who stores nothing behind the engine's back."""


class EngineDiedError(EngineError):
    """The process or the device that ran the model is gone; a new engine may answer."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One sampled answer. `tokens` counts generated tokens, the end token included."""

    text: str
    finish_reason: Literal["stop", "length"]
    tokens: int


class Usage(msgspec.Struct, frozen=True):
    """What an endpoint counted: what it is paid for. A prompt counts once for each sample."""

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
        named = {"tokens/completion": self.completion_tokens, "tokens/prompt": self.prompt_tokens}
        return {name: count for name, count in named.items() if count}


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """The answers to one request, or the reason why there are none."""

    id: str
    samples: tuple[Sample, ...] = ()
    error: str | None = None
    usage: Usage = Usage()
    """Zero for a model that runs here."""


class Engine(Protocol):
    """Answers requests with one model (base, or base with an adapter).

    An engine with an adapter answers for its base as well, in the same call: a request `to_base`
    gets the texts that an engine without the adapter would give it.
    """

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Response]:
        """Answers every request: one response each, in order, ids kept.

        A request that fails (missing image, prompt too long) gets a response with `error`; it never
        fails its batch. A store that cannot be read is no request's fault: an answer made of that
        would stay for ever.

        Raises:
            EngineError: The engine itself died or the device failed.
            StoreError: Images cannot be read, or their bytes are damaged; or `Settle` raised it.
        """
        ...

    def close(self) -> None:
        """Frees the model's memory."""
        ...
