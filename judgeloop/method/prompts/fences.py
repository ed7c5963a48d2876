"""Blocks that a text cannot leave: what stands in a prompt as data stays data."""

from __future__ import annotations

import re

_RUN = re.compile(r"`{3,}")


def fenced(text: str, beside: str = "") -> str:
    """Puts a text between fences of backticks that are longer than any within it.

    Args:
        text: The text.
        beside: Another text of the same prompt, whose fence is to be as long.
    """
    longest = max((len(run) for run in _RUN.findall(text + "\n" + beside)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}\n{text}\n{fence}"
