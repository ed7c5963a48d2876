"""The client of an OpenAI-compatible server: requests one chat completion and classifies failures.

The `openai` library handles HTTP: time limits, and retries after a broken connection, a rate limit
(after the time in `Retry-After`, up to two minutes) or a server error.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import msgspec
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from judgeloop.engines.chat_answer import (
    Completion,
    FailedAnswerError,
    OddAnswerError,
    RefusedError,
    read_completion,
)
from judgeloop.engines.chat_request import RequestForm
from judgeloop.schema.engine_section import EndpointSection
from judgeloop.schema.errors import ConfigError, EngineError
from judgeloop.schema.sampling import Sampling

CONNECT_TIMEOUT_S = 5.0
FIRST_TIMEOUT_S = 10.0
"""For the list of models, which shows whether the server is reachable and accepts the key."""
FIRST_RETRIES = 1
FAILED_PAUSE_S = 0.5
"""Mean wait before the second try, after an answer that reports a server failure; it doubles up to
`LONGEST_PAUSE_S`."""
LONGEST_PAUSE_S = 60.0
NO_KEY = "none"
"""Sent where a server needs no key, since the library requires one."""
logger = logging.getLogger(__name__)


class ChatClient:
    """A client of one server; use it within one event loop.

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
        self.form = RequestForm(section.extra)
        self._uncounted = False
        self._client = openai.AsyncOpenAI(
            base_url=section.url,
            api_key=self._key,
            timeout=openai.Timeout(section.timeout_s, connect=CONNECT_TIMEOUT_S),
            max_retries=section.retries,
            # Redirects are off: questions, images and the key go to the given address only.
            http_client=openai.DefaultAsyncHttpxClient(follow_redirects=False),
        )

    async def served(self) -> list[str]:
        """Returns the names of the models that the server has.

        Raises:
            EngineError: It does not answer, rejects the key, or lists nothing.
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
            model: Name of the model on the server.
            content: Parts of the user turn, as in the API.
            sampling: How the answer is drawn.
            seed: Seed of this sample.

        Raises:
            RefusedError: The server refuses the request, or its answer is not text.
            EngineError: The server failed, also when retried.
        """
        sent = self.form.limit
        try:
            return await self._complete(model, content, sampling, seed)
        except RefusedError as error:
            self.form.learn_from(str(error))
            if self.form.limit == sent:
                raise
            return await self._complete(model, content, sampling, seed)

    async def _complete(
        self, model: str, content: list[dict[str, Any]], sampling: Sampling, seed: int
    ) -> Completion:
        # The library does not retry a failure that a server reports with status 200.
        tries = AsyncRetrying(
            retry=retry_if_exception_type(FailedAnswerError),
            stop=stop_after_attempt(1 + self._section.retries),
            wait=wait_random_exponential(multiplier=FAILED_PAUSE_S, max=LONGEST_PAUSE_S),
            reraise=True,
        )
        with self._failures_named("answer", self._section.retries):
            answer: Completion = await tries(self._complete_once, model, content, sampling, seed)
            return answer

    async def _complete_once(
        self, model: str, content: list[dict[str, Any]], sampling: Sampling, seed: int
    ) -> Completion:
        response = await self._client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": content}],
            extra_body=self.form.settings(sampling, seed),
        )
        completion = read_completion(response, sampling.max_tokens)
        if not completion.counted:
            self._go_without_counts()
        return completion

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()

    def _go_without_counts(self) -> None:
        """Warns once that the server counts no tokens.

        Raises:
            EngineError: Prices are set, and the costs would be wrong.
        """
        if self._section.prompt_price or self._section.completion_price:
            raise EngineError(
                f"endpoint {self._section.url} does not count tokens (no `usage`), so what its "
                "answers cost is not known: set engine.endpoint.prompt_price and completion_price "
                "to 0, or have it count"
            )
        if not self._uncounted:
            self._uncounted = True
            logger.warning(
                "endpoint=%s counts no tokens: engine.max_prompt_tokens is not checked",
                self._section.url,
            )

    @contextmanager
    def _failures_named(self, what: str, retries: int) -> Iterator[None]:
        """Converts the library's errors to ours, with a remedy."""
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
                f"{endpoint} rejects the key of {self._section.key_variable or 'nobody'}: "
                f"{self._said(error)}. Set engine.endpoint.key_variable to the environment "
                "variable that holds the right one"
            ) from error
        except openai.RateLimitError as error:
            raise EngineError(
                f"{endpoint} did not {what} {tried}, it limits the request rate: "
                f"{self._said(error)}. Lower engine.batch_size, raise engine.endpoint.retries, or "
                "rerun later: finished work is kept"
            ) from error
        except openai.APIStatusError as error:
            if 300 <= error.status_code < 400:
                raise EngineError(self._redirected(error.response.headers)) from error
            if error.status_code in (400, 413, 422):
                raise RefusedError(self._said(error)) from error
            raise EngineError(
                f"{endpoint} did not {what} {tried}, status {error.status_code}: "
                f"{self._said(error)}. Check engine.endpoint.url (the API's base, it mostly ends "
                "in /v1) and the server's log"
            ) from error
        except FailedAnswerError as error:
            raise EngineError(
                f"{endpoint} did not {what} {tried}, it says: {self._said(error)}. Check the "
                "service's state, or rerun later: finished work is kept"
            ) from error
        except OddAnswerError as error:
            raise EngineError(self._odd(str(error))) from error
        except (openai.APIError, msgspec.DecodeError, ValueError) as error:
            raise EngineError(self._odd(f"something unreadable: {self._said(error)}")) from error

    def _said(self, error: Exception) -> str:
        """Returns the server's message on one line, with the key redacted."""
        body = getattr(error, "body", None)
        if isinstance(body, dict) and isinstance(body.get("error"), dict):
            body = body["error"]
        text = body.get("message") if isinstance(body, dict) else None
        words = " ".join(str(text or error.__cause__ or error).split())[:500]
        wait = getattr(getattr(error, "response", None), "headers", {}).get("retry-after")
        if wait:
            words += f" (Retry-After: {wait})"
        return words if self._key == NO_KEY else words.replace(self._key, "<key>")

    def _redirected(self, headers: Mapping[str, str]) -> str:
        """Returns the host that an endpoint redirects to, without user, path and query."""
        parts = urlsplit(headers.get("location", ""))
        try:
            host = f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname or "")
        except ValueError:
            host = ""
        where = f"{parts.scheme}://{host}" if host else "another path"
        return (
            f"endpoint {self._section.url} redirects to {ascii(where)[1:-1]}. Redirects are not "
            "followed, because the other host would get the questions and images: set "
            "engine.endpoint.url to the address that answers, if it is the right one"
        )

    def _odd(self, what: str) -> str:
        return (
            f"endpoint {self._section.url} answered with {what}; engine.endpoint.url must be the "
            "base of an OpenAI-compatible API, and mostly ends in /v1"
        )


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
