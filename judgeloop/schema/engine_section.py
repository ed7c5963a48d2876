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
"""Prefix of a base that is a script, not a model, for the engine `scripted`."""


class EndpointSection(Section, frozen=True, kw_only=True):
    """A server with the OpenAI API: a served model, or a cloud service."""

    url: Annotated[str, Meta(pattern=r"^https?://[^\s/@?#]+(/[^\s@?#]*)?$")]
    """Base of the API, such as `http://host:8000/v1`; it holds no key."""
    model: str
    """Name under which the server serves `model.base`. An adapter must be served as
    `adapter-<first 16 digits of its hash>`, which is the name of its folder in the store."""
    key_variable: str | None = None
    """Environment variable that holds the API key; None for a server that needs none."""
    timeout_s: Annotated[float, Meta(gt=0)] = 600.0
    """Seconds to wait for one answer."""
    retries: Count = 6
    """Retries after the first attempt, with exponential back-off or as `Retry-After` says."""
    prompt_price: Annotated[float, Meta(ge=0)] = 0.0
    """Price of a million prompt tokens; with it, manifests state what their answers cost."""
    completion_price: Annotated[float, Meta(ge=0)] = 0.0
    """Price of a million generated tokens."""
    extra: dict[str, Any] = msgspec.field(default_factory=dict)
    """Extra fields of each request, in the service's names; null leaves out a default field. They
    affect answers, so they are part of the content key; they are stored, so put no secret here."""

    def __post_init__(self) -> None:
        """Refuses extra fields that judgeloop sets itself."""
        taken = sorted(OURS & self.extra.keys())
        if taken:
            raise ValueError(f"engine.endpoint.extra must not hold {', '.join(taken)}")

    @property
    def host(self) -> str:
        """Name or address of the machine."""
        return urlsplit(self.url).hostname or ""


class VllmSection(Section, frozen=True, kw_only=True):
    """Settings for vLLM only. For data parallelism use several partitions, one engine each."""

    tensor_parallel: Positive = 1
    """GPUs that one model is sharded over."""
    memory_share: Annotated[float, Meta(gt=0, le=1)] = 0.9
    """Share of each GPU's memory that vLLM takes for weights, cache and activations."""
    cpu_cache_mib: Positive = 512
    """KV cache in MiB on a machine without a GPU, where tasks share the memory."""
    max_model_len: Positive | None = None
    """Tokens of prompt and answer together; None is `max_prompt_tokens` and 2048 more, or the
    model's own context where that is less."""
    max_images: Positive = 4
    """Images in a prompt; one with more is an error of its item."""
    structured_verdict: bool = False
    """Constrain decoding so that each judgement ends with a verdict."""


class EngineSection(Section, frozen=True, kw_only=True):
    """What runs the model for inference."""

    kind: Literal["transformers", "vllm", "openai", "scripted"]
    batch_size: Positive = 16
    """Samples in flight: decoded together here, or requested concurrently (`openai`)."""
    dtype: Literal["float32", "bfloat16", "auto"] = "auto"
    """Not used with an endpoint, which has its own."""
    shards_in_flight: Positive = 3
    """Shards processed concurrently, so that the engine's slots stay full while a shard's last long
    answers are generated. A killed task repeats at most these."""
    max_prompt_tokens: Positive = 4096
    """A longer prompt is an error of its item; prompts are never truncated."""
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
