"""Reads verdicts of Multimodal RewardBench: officially, and without its guesses."""

from __future__ import annotations

FIRST, SECOND = "[[A]]", "[[B]]"


def official(text: str) -> int | None:
    """Returns 1 where the text holds [[A]] anywhere, else 2 where it holds [[B]], else None.

    The official script chooses at random for None (see `aggregate`).
    """
    if FIRST in text:
        return 1
    return 2 if SECOND in text else None


def preferred(text: str) -> int | None:
    """Returns 1 or 2 where the text holds one of the verdicts, or None if it holds both or none."""
    return None if FIRST in text and SECOND in text else official(text)
