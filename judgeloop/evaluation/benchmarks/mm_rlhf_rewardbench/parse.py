"""Reads a verdict as R1-Reward's judge states it: a number between answer tags."""

from __future__ import annotations

import re

_TAGS = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_NUMBER = re.compile("[12]")


def official(text: str) -> int:
    """Returns 1 or 2 as the official script does: it never leaves a text undecided.

    The first pair of tags decides, else the last digit 1 or 2 anywhere in the text; anything but 1
    counts as 2.

    Source: `inference/MM-RLHF-Reward/r1_reward.py` of r1_reward.
    """
    tags = _TAGS.search(text)
    if tags:
        found = tags[1].strip()
    else:
        numbers = _NUMBER.findall(text)
        found = numbers[-1] if numbers else ""
    try:
        return 1 if float(found) == 1 else 2
    except ValueError:
        return 2


def preferred(text: str) -> int | None:
    """Returns 1 or 2 if all answer tags of the text contain that number, else None."""
    found = {answer.strip() for answer in _TAGS.findall(text)}
    return {"1": 1, "2": 2}.get(next(iter(found))) if len(found) == 1 else None
