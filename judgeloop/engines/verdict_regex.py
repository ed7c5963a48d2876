"""The regular expression that makes a judgement end with a verdict, for engines that enforce one.

Any reasoning may come before it. A judgement can then no longer lack its verdict, but it can still
be cut off at the token limit or contradict itself, which `judging.verdict` reads as ever.
"""

from __future__ import annotations

import re

from judgeloop.schema.requests import Request


def verdict_regex(request: Request) -> str | None:
    """Returns what a judgement must match as a whole; None for what is no judgement."""
    if request.verdict_endings is None:
        return None
    return rf"[\s\S]*({'|'.join(map(re.escape, request.verdict_endings))})"
