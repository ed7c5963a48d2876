"""Finds the options of a multiple-choice question that stand in its text."""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_OPTIONS = 26
_MARK = re.compile(
    r"""
    (?:^|(?<=[\s,;:?.]))         # an option begins a line, or follows a space or a mark
    (?:
        [(\[] (?P<closed>[A-Za-z]) [)\]]      # (A) or [A]
      | (?P<open>[A-Z]) (?:[.)]|:(?=\s))      # A. or A) or "A: "
    )
    [ \t]*
    """,
    re.VERBOSE | re.MULTILINE,
)
_TAIL = re.compile(
    r"\n\s*(?:please\s+)?(?:answer|select|choose|respond|give|think)\b", re.IGNORECASE
)
"""What follows the last option and is no part of it: an instruction on a line of its own."""


class Listed(NamedTuple):
    """An option where it stands in a text."""

    start: int
    """Of its letter's mark."""
    end: int
    """Of its text, without a comma after it."""
    text: str


def options_in(text: str) -> tuple[str, ...]:
    """Returns the options that a question's text lists with letters, in order; empty for none.

    Read are `(A) red`, `A. red`, `A) red`, `A: red` and `[A] red`, one per line or several,
    as LLaVA-OneVision, ScienceQA, AI2D and MMBench write them. The letters must begin with A and
    follow each other; an option's text ends where the next begins.

    Args:
        text: The question as it is asked.
    """
    return tuple(option.text for option in listed_options(text))


def listed_options(text: str) -> tuple[Listed, ...]:
    """Returns the options that `options_in` reads, with their places."""
    best: tuple[Listed, ...] = ()
    marks = list(_MARK.finditer(text))
    for start, mark in enumerate(marks):
        if _letter(mark) != "A":
            continue
        found = _run(text, marks[start:])
        if len(found) >= max(2, len(best)):
            best = found
    return best


def _run(text: str, marks: list[re.Match[str]]) -> tuple[Listed, ...]:
    """Returns the options of the longest run A, B, C, ... that begins with the first mark."""
    run: list[re.Match[str]] = []
    for mark in marks:
        if len(run) < MAX_OPTIONS and _letter(mark) == chr(ord("A") + len(run)):
            run.append(mark)
    ends = [mark.start() for mark in run[1:]] + [len(text)]
    tail = _TAIL.search(text, run[-1].end())
    if tail:
        ends[-1] = tail.start()
    found = []
    for mark, end in zip(run, ends, strict=True):
        option = text[mark.end() : end].rstrip().rstrip(",;").rstrip()
        found.append(Listed(mark.start(), mark.end() + len(option), option.strip()))
    return tuple(found) if all(option.text for option in found) else ()


def _letter(mark: re.Match[str]) -> str:
    return (mark["closed"] or mark["open"]).upper()
