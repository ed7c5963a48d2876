"""Finds rows whose label contradicts their own reference answer, for review; none is dropped."""

from __future__ import annotations

import re
from collections.abc import Iterable

from judgeloop.evaluation.benchmarks.base import Item

_LETTER = re.compile(r"(?<![A-Za-z])[A-J](?![A-Za-z'])")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_POWER = re.compile(r"\^\{?\d+\}?")
_LAST_CHARACTERS = 60
"""End of a response, in which its final answer is searched."""


def suspects(items: Iterable[Item]) -> list[str]:
    """Returns the keys of items whose worse response ends in the reference answer.

    An item counts only if the better response does not end so, and the reference is an option's
    letter or contains a single number. Only reasoning rows have a reference answer. The list is for
    review: a response may end in a number that is not its answer.
    """
    return [item.key for item in items if item.reference and _contradicts(item)]


def _contradicts(item: Item) -> bool:
    reference = item.reference.strip()
    kind = _LETTER if _LETTER.fullmatch(reference) else _NUMBER
    truths = _answers(kind, reference)
    if len(truths) != 1:
        return False
    chosen, rejected = (
        _answers(kind, text[-_LAST_CHARACTERS:])[-1:] for text in (item.chosen, item.rejected)
    )
    return rejected == truths and chosen != truths


def _answers(kind: re.Pattern[str], text: str) -> list[str]:
    found = kind.findall(_POWER.sub("", text))
    return found if kind is _LETTER else [f"{float(number):g}" for number in found]
