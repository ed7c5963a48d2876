"""Checks that patterns of module names in an adapter's configuration can be matched quickly.

Python's `re` backtracks over every way in which a pattern could match a text, without a time limit.
So a pattern is accepted only if it consists of the few elements below, none of which repeats a
group, and if there are few ways in which it could match a long name.
"""

from __future__ import annotations

import math
import re
import warnings
from typing import NamedTuple

MAX_CHARACTERS = 500
MAX_WAYS = 200_000
"""Limit for one name; matching ten million takes a second."""
_LONGEST_NAME = 100
_GROUP = re.compile(r"\((?:\?[:=!])?")
_ELEMENT = re.compile(r"\\[.dwb]|[\w.$^-]|\[[\w\\.-]+\]")
_REPEAT = re.compile(r"(?P<star>[*+]|\{\d{1,2},\})\??|\{(?P<least>\d{1,2}),?(?P<most>\d{0,2})\}|\?")


class PatternError(ValueError):
    """A pattern is wrong, or could be matched for too long."""


class _Part(NamedTuple):
    """Counts for a group, or for the whole pattern."""

    ways: int = 0
    """Ways of the finished alternatives."""
    options: int = 1
    """Ways in which the groups and bounded repeats of the current alternative can match."""
    stars: int = 0
    """Elements of the current alternative that can match any number of characters."""

    def repeated(self, repeat: re.Match[str]) -> _Part:
        """Adds an element's repeat."""
        if repeat["star"]:
            return self._replace(stars=self.stars + 1)
        if repeat["least"]:
            counts = int(repeat["most"] or repeat["least"]) - int(repeat["least"]) + 1
            return self._replace(options=self.options * max(counts, 1))
        return self._replace(options=self.options * 2)

    def total(self) -> int:
        return self.ways + self.options * math.comb(_LONGEST_NAME + self.stars, self.stars)


def check_pattern(pattern: str) -> None:
    """Checks that a pattern is matched against any module name in well under a second.

    Raises:
        PatternError: It is wrong, has elements that are not allowed, or can match in too many ways.
    """
    if len(pattern) > MAX_CHARACTERS:
        raise PatternError(f"is not a plain one: it has more than {MAX_CHARACTERS} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # warnings announce that syntax will change meaning
            re.compile(pattern)
    except (re.error, RecursionError, OverflowError, Warning) as error:
        raise PatternError(f"is wrong ({error})") from error
    if _count_ways(pattern) > MAX_WAYS:
        raise PatternError("is not a plain one: it could be matched in too many ways")


def _count_ways(pattern: str) -> int:
    """Returns an upper bound of the ways in which a pattern can match a name."""
    outer: list[_Part] = []
    part = _Part()
    place = 0
    while place < len(pattern):
        if group := _GROUP.match(pattern, place):
            outer.append(part)
            part, place = _Part(), group.end()
        elif pattern[place] == "|":
            part, place = _Part(ways=part.total()), place + 1
        elif pattern[place] == ")" and outer:
            inner, part, place = part.total(), outer.pop(), place + 1
            part = part._replace(options=part.options * inner)
        elif element := _ELEMENT.match(pattern, place):
            place = element.end()
            if repeat := _REPEAT.match(pattern, place):
                place = repeat.end()
                part = part.repeated(repeat)
        else:
            raise PatternError(f"is not a plain one: {pattern[place : place + 10]!r} is refused")
    return part.total()
