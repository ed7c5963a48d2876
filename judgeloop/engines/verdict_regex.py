"""The regular expression that makes a judgement end with a verdict, for engines that enforce one.

Any reasoning may come before it. A judgement then always has a verdict, unless it is cut off at the
token limit; it can still contradict itself. `judging.verdict` handles both as usual.
"""

from __future__ import annotations

import re

from judgeloop.schema.requests import Request


def verdict_regex(request: Request) -> str | None:
    """Returns the pattern that a whole judgement must match; None for other requests."""
    if request.verdict_endings is None:
        return None
    return rf"[\s\S]*({'|'.join(map(re.escape, request.verdict_endings))})"
