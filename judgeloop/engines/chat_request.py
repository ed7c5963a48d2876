"""Fields sent with a prompt: the sampling, in this service's names, and what the user adds."""

from __future__ import annotations

import logging
import re
from typing import Any

from judgeloop.schema.sampling import Sampling

_LIMITS = ("max_tokens", "max_completion_tokens")
logger = logging.getLogger(__name__)


class RequestForm:
    """Names the sampling's settings for one service.

    Args:
        extra: Sent unchanged; it replaces a default setting of the same name, and null leaves that
            setting out.
    """

    def __init__(self, extra: dict[str, Any]) -> None:
        self._extra = extra
        self.limit = _LIMITS[0]
        """The service's name for the limit of an answer's tokens."""

    def is_greedy(self, sampling: Sampling) -> bool:
        """Returns whether every sample of a prompt would be the same."""
        return sampling.temperature == 0 and "temperature" not in self._extra

    def settings(self, sampling: Sampling, seed: int) -> dict[str, Any]:
        """Returns the fields of a request besides model and messages.

        Args:
            sampling: Settings that are off are not sent, for services that do not know them.
            seed: Seed of this sample.
        """
        named: dict[str, Any] = {self.limit: sampling.max_tokens}
        if self.is_greedy(sampling):
            named["temperature"] = 0.0
        else:
            named |= {"temperature": sampling.temperature, "top_p": sampling.top_p, "seed": seed}
            if sampling.top_k:  # not in the API itself, but supported by servers of open models
                named["top_k"] = sampling.top_k
        return {name: value for name, value in (named | self._extra).items() if value is not None}

    def learn_from(self, refusal: str) -> None:
        """Adopts the service's own name for the token limit, where a refusal names it.

        Args:
            refusal: The service's message.
        """
        if self.limit == _LIMITS[0] and _LIMITS[1] in refusal:
            logger.warning("the endpoint rejects %s: sending %s from now on", *_LIMITS)
            self.limit = _LIMITS[1]

    def advice(self, refusal: str, sampling: Sampling) -> str:
        """Says what to change where a service refuses a setting; empty if it names none.

        Args:
            refusal: The service's message.
            sampling: The sampling that was requested.
        """
        sent = self.settings(sampling, 0)
        named = [name for name in sent if re.search(rf"\b{re.escape(name)}\b", refusal)]
        if not named:
            return ""
        left_out = ", ".join(f"{name}: null" for name in named)
        varies = " (its answers to one prompt then differ)" if "temperature" in named else ""
        return f"Leave out what it refuses by engine.endpoint.extra: {{{left_out}}}{varies}"
