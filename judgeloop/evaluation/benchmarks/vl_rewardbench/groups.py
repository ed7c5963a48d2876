"""Maps an id to its group, by the official map and by those of other published tables.

The official script uses the text before the first `_` or `-` of the id, case-sensitively.
"""

from __future__ import annotations

import re
from collections.abc import Callable

GROUPS = ("general", "hallucination", "reasoning")
_BY_PREFIX = {
    "RLAIF": "hallucination",
    "RLHF": "hallucination",
    "hallucination": "hallucination",
    "mathverse": "reasoning",
    "mmmu": "reasoning",
    "wildvision": "general",
}
_VLFEEDBACK = frozenset({"LRVInstruction", "jailbreak", "politics", "svit"})
"""Prefixes of the ten VLFeedback rows; officially any other prefix falls into their group."""


def prefix(item_id: str) -> str:
    """Returns the part of the id that names its source."""
    return re.split("[_-]", item_id, maxsplit=1)[0]


def official(item_id: str) -> str:
    """Returns the group by the official script since 8 May 2025 (183 / 749 / 318 items)."""
    return _BY_PREFIX.get(prefix(item_id), "general")


def is_known(item_id: str) -> bool:
    """Returns whether the first release has ids with this prefix."""
    return prefix(item_id) in _BY_PREFIX.keys() | _VLFEEDBACK


def r1_reward(item_id: str) -> str:
    """Returns the group by R1-Reward's and Proxy-GRM's scripts (484 / 448 / 318).

    They look for words in lower case, so `RLHF-V-…` and `RLAIF-V-…` are general.
    """
    if "mmmu" in item_id or "mathverse" in item_id:
        return "reasoning"
    words = ("hallucination", "rlhf", "rlaif")
    return "hallucination" if any(word in item_id for word in words) else "general"


def unified_reward(item_id: str) -> str:
    """Returns the group by UnifiedReward's script (631 / 301 / 318).

    It contains the official map from before 8 May 2025, in which POVID's `hallucination_…` is
    general.
    """
    return "general" if prefix(item_id) == "hallucination" else official(item_id)


OTHER_MAPS: dict[str, Callable[[str], str]] = {
    "r1_reward": r1_reward,
    "unified_reward": unified_reward,
}
