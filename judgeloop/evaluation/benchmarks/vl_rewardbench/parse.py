"""Reads a verdict as VL-RewardBench's script does."""

from __future__ import annotations

import re

_LEAD = re.compile("overall judgment|therefore", re.IGNORECASE)
_ANSWER = re.compile(r"answer\s*(\d+)\s*is\s*(?:the\s*)?(?:slightly\s*)?better", re.IGNORECASE)


def answer_number(text: str) -> int | None:
    """Returns the number of the last "Answer N is [the] [slightly] better" after a lead.

    A lead is "Overall Judgment" or "Therefore". Line breaks and asterisks are deleted first; case
    is ignored. Any number is returned: the official script counts every number except that of the
    rejected response as agreement.

    Source: one regular expression of VL_RewardBench's `cal.py`, split in two so that it runs in
    linear time.
    """
    flat = text.replace("\n", "").replace("*", "")
    lead = _LEAD.search(flat)
    if lead is None:
        return None
    numbers = [found[1] for found in _ANSWER.finditer(flat, lead.end())]
    return _bounded(numbers[-1]) if numbers else None


def preferred(text: str) -> int | None:
    """Returns 1 or 2, or None if the text names neither."""
    number = answer_number(text)
    return number if number in (1, 2) else None


def _bounded(digits: str) -> int:
    """Parses a number of which only 1 and 2 matter; Python refuses to parse thousands of digits."""
    return int(digits) if len(digits) < 10 else 10**10
