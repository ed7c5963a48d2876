"""The client of an OpenAI-compatible server: one chat completion, and what a failure means.

The `openai` library does the HTTP: time limits, and tries again after a broken connection, a rate
limit (for as long as `Retry-After` says, up to two minutes) or a failure of the server.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import msgspec

from judgeloop.schema.engine_section import EndpointSection
from judgeloop.schema.errors import ConfigError, EngineError
from judgeloop.schema.sampling import Sampling

CONNECT_TIMEOUT_S = 5.0
FIRST_TIMEOUT_S = 10.0
"""For the list of models, which shows whether the server is there and takes the key."""
FIRST_RETRIES = 1
NO_KEY = "none"
"""Sent where a server wants no key: the library must have one."""


class RefusedError(Exception):
    """The server does not take this one request, and will not when it is sent again."""


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """One answer, and what the server counted."""

    text: str
    finish_reason: Literal["stop", "length"]
    prompt_tokens: int
    tokens: int


class ChatClient:
    """Asks one server; use it within one event loop.

    Args:
        section: Address, key and limits.

    Raises:
        ConfigError: The variable of the key is not set.
        EngineError: The `openai` library is not installed.
    """

    def __init__(self, section: EndpointSection) -> None:
        self._section = section
        self._key = _read_key(section.key_variable)
        try:
            import openai
        except ImportError as error:
            raise EngineError(
                f"the engine `openai` lacks a package: {error}. Install judgeloop[endpoint]"
            ) from error
        self._client = openai.AsyncOpenAI(
            base_url=section.url,
            api_key=self._key,
            timeout=openai.Timeout(section.timeout_s, connect=CONNECT_TIMEOUT_S),
            max_retries=section.retries,
        )

    async def served(self) -> list[str]:
        """Returns the names of the models that the server has.

        Raises:
            EngineError: It does not answer, does not take the key, or lists nothing.
        """
        first = self._client.with_options(max_retries=FIRST_RETRIES, timeout=FIRST_TIMEOUT_S)
        try:
            with self._failures_named("list its models", FIRST_RETRIES):
                page = await first.models.list()
                return sorted(model.id for model in page.data)
        except (RefusedError, AttributeError, TypeError) as error:
            raise EngineError(self._odd(f"no list of models ({error})")) from error

    async def complete(
        self, model: str, content: list[dict[str, Any]], sampling: Sampling, seed: int
    ) -> Completion:
        """Asks for one answer to one user turn.

        Args:
            model: Its name on the server.
            content: Parts of the user turn, as in the API.
            sampling: Settings that are off are not sent, so that services which do not know them
                can be used.
            seed: Of this sample.

        Raises:
            RefusedError: The server refuses the request, or its answer is no text.
            EngineError: The server failed, also when asked again.
        """
        with self._failures_named("answer", self._section.retries):
            made = await self._client.chat.completions.create(
                model=model,
                messages=[{"role": "user", "content": content}],
                max_tokens=sampling.max_tokens,
                **_drawing(sampling, seed),
            )
            return self._read(made)

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()

    def _read(self, made: Any) -> Completion:
        try:
            choice, usage = made.choices[0], made.usage
            # Servers leave the space that some tokenizers begin a text with; our engines drop it.
            reason, text = choice.finish_reason, (choice.message.content or "").removeprefix(" ")
            counts = int(usage.prompt_tokens), int(usage.completion_tokens)
        except (AttributeError, TypeError, IndexError) as error:
            raise EngineError(self._odd("no chat completion with a text and its usage")) from error
        if reason not in ("stop", "length"):
            raise RefusedError(f"the endpoint ended its answer with `{reason}`")
        return Completion(
            text=text, finish_reason=reason, prompt_tokens=counts[0], tokens=counts[1]
        )

    @contextmanager
    def _failures_named(self, what: str, retries: int) -> Iterator[None]:
        """Turns the library's errors into ours, in words that say what to do."""
        import openai

        endpoint = f"endpoint {self._section.url}"
        tried = f"in {retries + 1} tries"
        try:
            yield
        except openai.APIConnectionError as error:
            raise EngineError(
                f"{endpoint} did not {what} {tried}: {self._said(error)}. Check that the server "
                "runs, engine.endpoint.url and engine.endpoint.timeout_s"
            ) from error
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            raise EngineError(
                f"{endpoint} does not take the key of {self._section.key_variable or 'nobody'}: "
                f"{self._said(error)}. Set engine.endpoint.key_variable to the environment "
                "variable that holds the right one"
            ) from error
        except openai.RateLimitError as error:
            raise EngineError(
                f"{endpoint} did not {what} {tried}, it limits the rate: {self._said(error)}. "
                "Lower engine.batch_size, raise engine.endpoint.retries, or go on later: what is "
                "finished is kept"
            ) from error
        except openai.APIStatusError as error:
            if error.status_code in (400, 413, 422):
                raise RefusedError(self._said(error)) from error
            raise EngineError(
                f"{endpoint} did not {what} {tried}, status {error.status_code}: "
                f"{self._said(error)}. Check engine.endpoint.url (the API's base, it mostly ends "
                "in /v1) and the server's log"
            ) from error
        except (openai.APIError, msgspec.DecodeError, ValueError) as error:
            raise EngineError(self._odd(f"something unreadable: {self._said(error)}")) from error

    def _said(self, error: Exception) -> str:
        """Returns the server's own words on one line, without the key, should it repeat it."""
        body = getattr(error, "body", None)
        if isinstance(body, dict) and isinstance(body.get("error"), dict):
            body = body["error"]
        text = body.get("message") if isinstance(body, dict) else None
        words = " ".join(str(text or error.__cause__ or error).split())[:500]
        wait = getattr(getattr(error, "response", None), "headers", {}).get("retry-after")
        if wait:
            words += f" (Retry-After: {wait})"
        return words if self._key == NO_KEY else words.replace(self._key, "<key>")

    def _odd(self, what: str) -> str:
        return (
            f"endpoint {self._section.url} answered with {what}; engine.endpoint.url must be the "
            "base of an OpenAI-compatible API, and mostly ends in /v1"
        )


def _drawing(sampling: Sampling, seed: int) -> dict[str, Any]:
    if sampling.temperature == 0:
        return {"temperature": 0.0}
    settings: dict[str, Any] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": seed,
    }
    if sampling.top_k:  # not in the API itself, but in that of servers of open models
        settings["extra_body"] = {"top_k": sampling.top_k}
    return settings


def _read_key(variable: str | None) -> str:
    if variable is None:
        return NO_KEY
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ConfigError(
            f"the environment variable {variable} is not set, but engine.endpoint.key_variable "
            "says that it holds the key: set it, from a secret where this runs in a pod"
        )
    return key
