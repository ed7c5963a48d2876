"""Parses a chat completion leniently: not every server follows the API's documentation.

Text Generation Inference ends with `eos_token`, Gemini with `STOP`, xAI and Bedrock with
`end_turn`, SGLang with an empty reason. Content may be a list of parts. OpenRouter answers 200 and
puts the failure into the body. Reasoning models may leave the text empty and fill another field.
"""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

from judgeloop.schema.printable import encodable

STOPPED = frozenset(
    {"stop", "complete", "eos_token", "eos", "end_turn", "stop_sequence", "stop_token"}
)
CUT_OFF = frozenset({"length", "max_tokens", "max_length", "max_output_tokens", "model_length"})
_REASONING = ("reasoning_content", "reasoning")
_REFUSALS = (400, 403, 413, 422)
"""Codes in a body that blame the request; 403 is a service's moderation, since the key was
accepted."""
_REFUSAL_NAMES = re.compile(
    r"invalid|bad.?request|context_length|content_(?:policy|filter)|moderat"
)
"""The same as names instead of codes, such as `invalid_request_error`."""


class RefusedError(Exception):
    """The server refuses this one request, and would refuse it again."""


class OddAnswerError(Exception):
    """The answer is not a chat completion."""


class FailedAnswerError(Exception):
    """The server's answer reports a failure; a retry may succeed."""


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """One answer, and its tokens as counted by the server."""

    text: str
    finish_reason: Literal["stop", "length"]
    prompt_tokens: int
    tokens: int
    counted: bool
    """False if the server counts no tokens; the numbers are 0 then."""


def read_completion(response: Any, max_tokens: int) -> Completion:
    """Reads the first choice of a chat completion.

    Args:
        response: The answer, as the `openai` library parsed it.
        max_tokens: The limit that was sent, from which the end of an answer without a reason is
            derived.

    Raises:
        RefusedError: There is no text, or it cannot be determined whether it was cut off.
        FailedAnswerError: The body reports the failure of an upstream server.
        OddAnswerError: It is not a chat completion.
    """
    _raise_error(getattr(response, "error", None))
    try:
        choice = response.choices[0]
        message, reason = choice.message, choice.finish_reason
        content = message.content
    except (AttributeError, TypeError, IndexError) as error:
        raise OddAnswerError("no chat completion with a text") from error
    _raise_error(getattr(choice, "error", None))
    if refusal := getattr(message, "refusal", None):
        raise RefusedError(encodable(f"the model refuses: {refusal}"))
    prompt_tokens, tokens, counted = _counts(getattr(response, "usage", None))
    text = _text(content)
    ended = _ended(reason, tokens if counted else None, max_tokens)
    if not text and any(getattr(message, name, None) for name in _REASONING):
        raise RefusedError(
            "the endpoint answered with reasoning and no text: raise the sampling's max_tokens, or "
            "turn reasoning off by engine.endpoint.extra, as the service calls it"
        )
    # Servers keep the leading space of some tokenizers; local engines drop it.
    return Completion(
        text=encodable(text).removeprefix(" "),
        finish_reason=ended,
        prompt_tokens=prompt_tokens,
        tokens=tokens,
        counted=counted,
    )


def _raise_error(error: Any) -> None:
    """Raises the failure that a body with status 200 reports.

    Raises:
        RefusedError: It blames the request.
        FailedAnswerError: It blames something else.
    """
    if not error:
        return
    fields = error if isinstance(error, dict) else {"message": error}
    words = encodable(str(fields.get("message") or fields))
    try:
        code = int(fields.get("code") or 0)
    except (TypeError, ValueError):
        code = 0
    names = f"{fields.get('code')} {fields.get('type')}".lower()
    if code in _REFUSALS or (not code and _REFUSAL_NAMES.search(names)):
        raise RefusedError(words)
    raise FailedAnswerError(f"{words} (code {fields['code']})" if fields.get("code") else words)


def _text(content: Any) -> str:
    """Returns the text of a message; its text parts are joined.

    Raises:
        OddAnswerError: It is neither a text nor a list of parts.
    """
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise OddAnswerError(f"a content that is no text but {type(content).__name__}")
    return "".join(_part(part) for part in content)


def _part(part: Any) -> str:
    if isinstance(part, str):
        return part
    fields = part if isinstance(part, dict) else getattr(part, "__dict__", {})
    kind, text = fields.get("type", "text"), fields.get("text")
    return text if kind in ("text", "output_text") and isinstance(text, str) else ""


def _ended(reason: Any, tokens: int | None, max_tokens: int) -> Literal["stop", "length"]:
    """Returns how an answer ended, in the API's words.

    Raises:
        RefusedError: It ended in another way, or the way is unknown.
    """
    word = str(reason or "").rpartition(".")[2].lower()  # `FinishReason.STOP` too
    word = word.removeprefix("finish_reason_")
    if word in STOPPED:
        return "stop"
    if word in CUT_OFF:
        return "length"
    if word:
        raise RefusedError(f"the endpoint ended its answer with `{reason}`")
    if tokens is None:
        raise RefusedError(
            "the endpoint does not say how its answer ended and counts no tokens, so whether it "
            "was cut off is not known"
        )
    return "length" if tokens >= max_tokens else "stop"


def _counts(usage: Any) -> tuple[int, int, bool]:
    """Returns the tokens of prompt and answer, and whether both were counted."""
    found = [getattr(usage, f"{kind}_tokens", None) for kind in ("prompt", "completion")]
    if not all(type(count) is int and count >= 0 for count in found):
        return 0, 0, False
    return int(found[0] or 0), int(found[1] or 0), True
