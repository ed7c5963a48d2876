"""The configuration's section about engines."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from judgeloop.schema.section import Count, Positive, Section

OURS = frozenset({"messages", "model", "n", "stream"})
"""Fields of a request that no setting may change."""
SCRIPTED = "scripted:"
"""Begins a base that is no model but a script, for the engine `scripted`."""


class EndpointSection(Section, frozen=True, kw_only=True):
    """A server with the OpenAI API: a served model, or a cloud service."""

    url: Annotated[str, Meta(pattern=r"^https?://[^\s/@?#]+(/[^\s@?#]*)?$")]
    """Base of the API, such as `http://host:8000/v1`; it holds no key."""
    model: str
    """Name under which the server has `model.base`. An adapter must be served as
    `adapter-<first 16 digits of its hash>`, which is the name of its folder in the store."""
    key_variable: str | None = None
    """Environment variable that holds the API key; None for a server that wants none."""
    timeout_s: Annotated[float, Meta(gt=0)] = 600.0
    """For one answer."""
    retries: Count = 6
    """Retries after the first attempt, with exponential back-off or as `Retry-After` says."""
    prompt_price: Annotated[float, Meta(ge=0)] = 0.0
    """Price of a million prompt tokens; with it, manifests tell what their answers cost."""
    completion_price: Annotated[float, Meta(ge=0)] = 0.0
    """Price of a million generated tokens."""
    extra: dict[str, Any] = msgspec.field(default_factory=dict)
    """Further fields of each request, as the service calls them; null leaves out a field of ours.
    They decide answers, so they are part of their key; they are stored, so they hold no secret."""

    def __post_init__(self) -> None:
        """Refuses further fields that would be another request."""
        taken = sorted(OURS & self.extra.keys())
        if taken:
            raise ValueError(f"engine.endpoint.extra must not hold {', '.join(taken)}")

    @property
    def host(self) -> str:
        """Name or address of the machine."""
        return urlsplit(self.url).hostname or ""


class VllmSection(Section, frozen=True, kw_only=True):
    """What only vLLM has. Several partitions are several engines: that is its data parallelism."""

    tensor_parallel: Positive = 1
    """GPUs that one model is spread over."""
    memory_share: Annotated[float, Meta(gt=0, le=1)] = 0.9
    """Share of each GPU's memory that vLLM takes: weights, cache and what it works with."""
    cpu_cache_mib: Positive = 512
    """Attention cache on a machine without a GPU, where tasks share the memory."""
    max_model_len: Positive | None = None
    """Tokens of prompt and answer together; None is `max_prompt_tokens` and 2048 more, or the
    model's own context where that is less."""
    max_images: Positive = 4
    """Images in a prompt; one with more is an error of its item."""
    structured_verdict: bool = False
    """Let a judgement end in no other way than with a verdict."""


class EngineSection(Section, frozen=True, kw_only=True):
    """What runs the model for inference."""

    kind: Literal["transformers", "vllm", "openai", "scripted"]
    batch_size: Positive = 16
    """Samples that are worked on together: decoded here, or asked for (`openai`)."""
    dtype: Literal["float32", "bfloat16", "auto"] = "auto"
    """An endpoint has its own."""
    shards_in_flight: Positive = 3
    """Shards that are worked on together, so that the slots stay full while a shard's last long
    answers are written. A killed task repeats these at most."""
    max_prompt_tokens: Positive = 4096
    """A longer prompt is an error of its item, never cut."""
    vllm: VllmSection = VllmSection()
    endpoint: EndpointSection | None = None
    """For the kind `openai`."""

    def __post_init__(self) -> None:
        """Refuses an endpoint without an address."""
        if self.kind == "openai" and self.endpoint is None:
            raise ValueError(
                "engine.kind `openai` needs engine.endpoint: give at least its url and its model"
            )


def scripted_misfit(kind: str, base: str) -> str | None:
    """Returns why a scripted base or engine goes with no other, or None if both are or neither."""
    if (kind == "scripted") == base.startswith(SCRIPTED):
        return None
    return (
        f"engine.kind `{kind}` cannot run model.base `{base}`: a base that begins with "
        f"`{SCRIPTED}` goes with the engine `scripted`, and no other base does"
    )
