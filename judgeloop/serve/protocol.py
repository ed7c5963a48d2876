"""Parses chat completion requests and builds the responses, in the format of the OpenAI API.

A request has one user turn with a text and images as `data:` URIs. Unsupported fields are refused
where they would change the answer (streams, several turns), and ignored elsewhere.
"""

from __future__ import annotations

import secrets
import time
from typing import Any, NamedTuple

import msgspec

from judgeloop.judge import image_bytes
from judgeloop.schema.decoding import decodable
from judgeloop.schema.errors import DataError
from judgeloop.schema.records import ModelRef
from judgeloop.schema.requests import Request, Response
from judgeloop.schema.sampling import Sampling

BASE, JUDGE = "base", "judge"
"""Model names that every server serves; the judge also has the name of its adapter."""
MAX_SAMPLES = 16
MAX_IMAGES = 32
MAX_TEXT = 1_000_000
DEFAULT_TOKENS = 1024
_NAME_DIGITS = 16
_SEED_BITS = 31


class RefusedError(Exception):
    """A request that is refused.

    Args:
        status: HTTP status.
        message: What is wrong with it.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ChatRequest(NamedTuple):
    """A request of a client."""

    model: str
    text: str
    pictures: tuple[bytes, ...]
    images_last: bool
    sampling: Sampling
    seed: int
    n: int

    def request(self, number: int, images: tuple[str, ...]) -> Request:
        """Returns the request to an engine.

        Args:
            number: Identifies the request.
            images: Hashes of the images, by which the engine finds them.
        """
        return Request(
            id=str(number), text=self.text, purpose="judge", images=images,
            images_last=self.images_last, sampling=self.sampling, seed=self.seed, n=self.n,
            use_adapter=self.model != BASE,
        )  # fmt: skip


class _Url(msgspec.Struct):
    url: str


class _Part(msgspec.Struct):
    type: str
    text: str = ""
    image_url: _Url | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part]


class _Body(msgspec.Struct):
    model: str
    messages: list[_Message]
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    n: int = 1
    stream: bool = False


def served_names(model: ModelRef) -> tuple[str, ...]:
    """Returns the names under which a model is served."""
    if model.adapter is None:
        return (BASE, JUDGE)
    return (BASE, JUDGE, f"adapter-{model.adapter_sha256[:_NAME_DIGITS]}")


def read_request(body: bytes, names: tuple[str, ...]) -> ChatRequest:
    """Reads a chat completion's request.

    Args:
        body: The JSON.
        names: Names under which the model is served.

    Raises:
        RefusedError: It is malformed, or needs something that this server does not support.
    """
    try:
        asked = msgspec.json.decode(body, type=decodable(_Body))
        limit = asked.max_completion_tokens or asked.max_tokens or DEFAULT_TOKENS
        sampling = Sampling(
            temperature=asked.temperature, top_p=asked.top_p, top_k=asked.top_k, max_tokens=limit
        )
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise RefusedError(400, f"the request cannot be read: {error}") from error
    if asked.model not in names:
        raise RefusedError(404, f"no model {asked.model!r}; there are {', '.join(names)}")
    if asked.stream:
        raise RefusedError(400, "stream is not supported: a judgement is of use as a whole only")
    if not 1 <= asked.n <= MAX_SAMPLES:
        raise RefusedError(400, f"n must be 1 to {MAX_SAMPLES}")
    if len(asked.messages) != 1 or asked.messages[0].role != "user":
        raise RefusedError(400, "a judge is asked with one message, of the role user")
    seed = secrets.randbits(_SEED_BITS) if asked.seed is None else asked.seed
    if not 0 <= seed < 2**63:
        raise RefusedError(400, "seed must be 0 or more, below 2^63")
    text, pictures, last = _content(asked.messages[0].content)
    return ChatRequest(asked.model, text, pictures, last, sampling, seed, asked.n)


def _content(content: str | list[_Part]) -> tuple[str, tuple[bytes, ...], bool]:
    """Returns the text, the pictures, and whether the text comes before them.

    Raises:
        RefusedError: There is no text or more than one, or a picture cannot be used.
    """
    parts = [_Part("text", content)] if isinstance(content, str) else content
    kinds = [part.type for part in parts]
    if unknown := sorted(set(kinds) - {"text", "image_url"}):
        raise RefusedError(400, f"content of the type {unknown[0]!r} is not known")
    if kinds.count("text") != 1 or len(kinds) > MAX_IMAGES + 1:
        raise RefusedError(400, f"give one text and at most {MAX_IMAGES} images")
    place = kinds.index("text")
    if 0 < place < len(kinds) - 1:
        raise RefusedError(400, "the text must come before all images or after them")
    text = parts[place].text
    if len(text) > MAX_TEXT:
        raise RefusedError(400, f"the text has {len(text)} characters, the limit is {MAX_TEXT}")
    urls = [part.image_url.url for part in parts if part.image_url is not None]
    if len(urls) != len(kinds) - 1 or not all(url.startswith("data:") for url in urls):
        raise RefusedError(400, "an image is a data: URI in base64; addresses are not fetched")
    try:
        pictures = tuple(image_bytes(url)[0] for url in urls)
    except DataError as error:
        raise RefusedError(400, str(error)) from error
    return text, pictures, place == 0 and bool(urls)


def completion(asked: ChatRequest, number: int, response: Response) -> dict[str, Any]:
    """Returns the answer to a request.

    Raises:
        RefusedError: The engine refuses the request: its prompt is too long, for one.
    """
    if response.error is not None:
        raise RefusedError(400, response.error)
    usage = response.usage
    tokens = sum(sample.tokens for sample in response.samples)
    counted = {"prompt_tokens": usage.prompt_tokens} if usage.prompt_tokens else {}
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": asked.model,
        "choices": [
            {
                "index": index,
                "message": {"role": "assistant", "content": sample.text},
                "finish_reason": sample.finish_reason,
            }
            for index, sample in enumerate(response.samples)
        ],
        "usage": {**counted, "completion_tokens": tokens},
    }


def models(names: tuple[str, ...]) -> dict[str, Any]:
    """Returns the list of models."""
    data = [{"id": name, "object": "model", "owned_by": "judgeloop"} for name in names]
    return {"object": "list", "data": data}
