"""Permutes the options of a multiple-choice question: a consistency filter that needs no label.

The verdict of a judge that looks at the picture does not depend on the order of the options. Each
option keeps its letter, so answers that name letters (`(B)`, "option B") keep their meaning.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from judgeloop.method.routing.options import listed_options
from judgeloop.schema.keys import fraction
from judgeloop.schema.records import Pair

Span = tuple[int, int]
_REFERS_TO_POSITION = re.compile(
    r"\b(?:above|below|preceding|previous|following|foregoing)\b|以上|以下|上述|上記", re.IGNORECASE
)
"""An option such as "none of the above" refers to the position of others, so it is not moved."""


def with_permuted_options(pair: Pair, seed: int) -> Pair | None:
    """Returns the pair with its question's options in another order, drawn by seed.

    Options that the text lists with letters are moved with their letters. Options that it names
    without letters are exchanged if each occurs once and both answers name one by its words.
    Options that it does not name are appended, with letters.

    Args:
        pair: A pair; its id and answers stay.
        seed: Of the loop; the order is another one for each pair.

    Returns:
        None where the question is open, has no options, or they cannot be permuted without
        changing the meaning of an answer.
    """
    question = pair.question
    choices = question.choices or ()
    if question.kind.is_open or len(choices) < 2:
        return None
    text = question.text
    if listed := listed_options(text):
        if len(listed) != len(choices):
            return None
        moved = _exchanged(text, [(each.start, each.end) for each in listed], pair.id, seed)
    elif not any(choice in text for choice in choices):
        lines = [f"({chr(ord('A') + at)}) {choice}" for at, choice in enumerate(choices)]
        options = "\n".join(lines)
        spans = [(each.start(), each.end()) for each in re.finditer(r"[^\n]+", options)]
        if len(spans) != len(choices):
            return None
        moved = _exchanged(options, spans, pair.id, seed)
        moved = None if moved is None else f"{text}\n{moved}"
    else:
        named = all(_names_one(answer, choices) for answer in (pair.chosen, pair.rejected))
        places = _places(text, choices) if named else []
        moved = _exchanged(text, places, pair.id, seed)
    if moved is None:
        return None
    return msgspec.structs.replace(pair, question=msgspec.structs.replace(question, text=moved))


def _exchanged(text: str, spans: Sequence[Span], pair_id: str, seed: int) -> str | None:
    """Returns a text whose spans stand in another order; None if no two of them may move."""
    parts = [text[start:end] for start, end in spans]
    free = [at for at, part in enumerate(parts) if not _REFERS_TO_POSITION.search(part)]
    if len(free) < 2:
        return None
    drawn = sorted(free, key=lambda at: fraction("options", seed, pair_id, at))
    if drawn == free:
        drawn = [*free[1:], free[0]]
    moved = iter(drawn)
    made, last = [], 0
    for place, (start, end) in enumerate(spans):
        made += [text[last:start], parts[next(moved) if place in free else place]]
        last = end
    return "".join([*made, text[last:]])


def _places(text: str, choices: Sequence[str]) -> list[Span]:
    """Returns where the options stand, in their order; empty unless each stands there once."""
    places = []
    for choice in choices:
        found = [(each.start(), each.end()) for each in _whole(choice).finditer(text)]
        if len(found) != 1:
            return []
        places += found
    ordered = all(one[1] <= other[0] for one, other in pairwise(places))
    return places if ordered else []


def _names_one(answer: str, choices: Sequence[str]) -> bool:
    return sum(_whole(choice).search(answer) is not None for choice in choices) == 1


def _whole(choice: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(choice)}(?!\w)", re.IGNORECASE)
