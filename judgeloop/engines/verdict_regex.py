"""The regular expression that makes a judgement end with a verdict, for engines that enforce one.

Any reasoning may come before it. A judgement can then no longer lack its verdict, but it can still
be cut off at the token limit or contradict itself, which `judging.verdict` reads as ever.
"""

from __future__ import annotations

from judgeloop.schema.requests import Request

_ENDINGS = {
    "verdict_line": r"[\s\S]*\nVerdict: [AB]",
    "trailing_letter": r"[\s\S]* [AB]",
}


def verdict_regex(request: Request) -> str | None:
    """Returns what a judgement must match as a whole; None for what is no judgement."""
    return None if request.verdict_format is None else _ENDINGS[request.verdict_format]
