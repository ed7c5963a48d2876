"""Reads numbers in English words, up to trillions, with fractions."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise

from judgeloop.method.synthesis.units import unit_after

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    "nineteen",
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SMALL = {word: value for value, word in enumerate(_ONES)} | {
    word: 10 * value for value, word in enumerate(_TENS, start=2)
}
_DIGITS = _ONES[:10]
_COMPLETE = (*_ONES, "dozen")
"""Words after which no smaller number follows."""
MULTIPLES = {
    **{"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9},
    **{"trillion": 10**12, "dozen": 12},
}
"""Words that multiply the number before them."""
NUMBERS = (*_SMALL, *MULTIPLES, "half")
_PARTS = {
    **{"half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4},
    **{"fourth": 4, "fourths": 4, "fifth": 5, "fifths": 5, "sixth": 6, "sixths": 6},
    **{"eighth": 8, "eighths": 8, "tenth": 10, "tenths": 10},
}
_PLURAL = {name for name in _PARTS if name.endswith("s")}
_NEGATIVE = ("minus", "negative")
_ORDINAL = re.compile(
    r"(?:first|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|\w+teenth|\w+tieth|hundredth)s?"
)
_WORD = re.compile(r"[a-z]+|#", re.IGNORECASE)
_EDGE = ("", "")
"""Stands before the first word and after the last."""
_BEFORE_ONE = {
    *(
        "",
        "is",
        "are",
        "was",
        "see",
        "count",
        "counted",
        "be",
        "s",
        "exactly",
        "only",
        "just",
        "has",
    ),
    *("have", "of", "answer", "with", "shows", "contains", "total", "number", *_NEGATIVE),
}
"""Words after which `one` is a number and no pronoun."""
_VAGUE = {
    "pair",
    "pairs",
    "couple",
    "dozens",
    "hundreds",
    "thousands",
    "millions",
    "single",
    "twice",
}


def spelled_numbers(text: str) -> list[tuple[Fraction, str] | None]:
    """Returns each number in words with its unit; None for one that cannot be read.

    `#` stands for a number in digits.
    """
    matches = list(_WORD.finditer(text))
    words = [*_EDGE, *(match[0].lower() for match in matches), *_EDGE]
    found: list[tuple[Fraction, str] | None] = []
    at = len(_EDGE)
    while word := words[at]:
        before, end = words[at - 1], at + 1
        if not _begins(before, word, words[end]):
            if word in _VAGUE or _ORDINAL.fullmatch(word):
                found.append(None)
            at = end
            continue
        while _goes_on(words[end], words[end + 1]):
            end += 1
        value = _value(words[at:end])
        measure = unit_after(text[matches[end - 1 - len(_EDGE)].end() :])
        if value is None or measure is None:
            return [None]
        sign = -1 if before in _NEGATIVE else 1
        found.append((sign * value * measure.scale, measure.unit))
        at = end
    return found


def _begins(before: str, word: str, following: str) -> bool:
    if word == "one":
        return before in _BEFORE_ONE or following in MULTIPLES or following in _PARTS
    if word == "a":
        return following in ("quarter", "third")
    return word in NUMBERS


def _goes_on(word: str, following: str) -> bool:
    if word in ("and", "a"):
        return following in _SMALL or following in _PARTS or following in (*MULTIPLES, "a")
    return word in _SMALL or word in MULTIPLES or word in _PARTS


def _value(words: list[str]) -> Fraction | None:
    """Returns the number that words spell; None if they spell none, or more than one."""
    if "and" in words:
        at = len(words) - 1 - words[::-1].index("and")
        part = _part(words[at + 1 :])
        if part is not None:
            whole = _value(words[:at])
            return None if whole is None else whole + part
    if (part := _part(words)) is not None:
        return part
    if words[0] == "half":
        rest = _value(words[1:]) if words[1] in ("a", "dozen") else None
        return None if rest is None else rest / 2
    return _whole([word for word in words if word not in ("and", "a")])


def _whole(words: list[str]) -> Fraction | None:
    """Reads `three thousand two hundred twelve`."""
    if any(_begins_another(word, following) for word, following in pairwise(words)):
        return None
    total, group = Fraction(0), Fraction(0)
    for word in words:
        if word in MULTIPLES:
            group = (group or Fraction(1)) * MULTIPLES[word]
            if MULTIPLES[word] >= 1000:
                total, group = total + group, Fraction(0)
        elif word in _SMALL:
            group += _SMALL[word]
        else:
            return None
    return total + group


def _begins_another(word: str, following: str) -> bool:
    """Returns whether the second of two words begins another number: `ten two`, `twenty ten`."""
    ended = word in _COMPLETE or (word in _TENS and following not in _DIGITS)
    return ended and following in _SMALL


def _part(words: list[str]) -> Fraction | None:
    """Reads `half`, `a quarter`, `one third`, `three quarters`."""
    if words == ["half"]:
        return Fraction(1, 2)
    if len(words) != 2 or words[1] not in _PARTS:
        return None
    count = 1 if words[0] == "a" else _SMALL.get(words[0])
    if count is None or (words[1] in _PLURAL) != (count != 1):
        return None
    return Fraction(count, _PARTS[words[1]])
