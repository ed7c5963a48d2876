"""Reads numbers in English words, up to trillions, with fractions."""

from __future__ import annotations

import re
from fractions import Fraction

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
MULTIPLES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "dozen": 12}
"""Words that multiply the number before them."""
_PARTS = {
    **{"half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4},
    **{"fourth": 4, "fourths": 4, "fifth": 5, "fifths": 5, "sixth": 6, "sixths": 6},
    **{"eighth": 8, "eighths": 8, "tenth": 10, "tenths": 10},
}
_PLURAL = {name for name in _PARTS if name.endswith("s")}
_ORDINAL = re.compile(
    r"(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|\w+teenth|\w+tieth|hundredth)s?"
)
_WORD = re.compile(r"[a-z]+|#", re.IGNORECASE)
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
    *("have", "of", "answer", "with", "shows", "contains", "total", "number"),
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
    words = [(match[0].lower(), match.end()) for match in _WORD.finditer(text)]
    found: list[tuple[Fraction, str] | None] = []
    at = 0
    while at < len(words):
        word = words[at][0]
        if not _begins(words, at):
            if word in _VAGUE or (_ORDINAL.fullmatch(word) and word != "second"):
                found.append(None)
            at += 1
            continue
        end = at + 1
        while end < len(words) and _goes_on(
            words[end][0], [w for w, _ in words[end + 1 : end + 2]]
        ):
            end += 1
        value = _value([w for w, _ in words[at:end]])
        if value is None:
            return [None]
        sign = -1 if at and words[at - 1][0] in ("minus", "negative") else 1
        measure = unit_after(text[words[end - 1][1] :])
        found.append((sign * value, measure.unit) if measure else None)
        at = end
    return found


def _begins(words: list[tuple[str, int]], at: int) -> bool:
    word = words[at][0]
    following = words[at + 1][0] if at + 1 < len(words) else ""
    if word == "one":
        before = words[at - 1][0] if at else ""
        return before in _BEFORE_ONE or following in MULTIPLES or following in _PARTS
    if word in ("a", "half"):
        return word == "half" or following in MULTIPLES or following in ("half", "quarter", "third")
    return word in _SMALL or word in MULTIPLES


def _goes_on(word: str, following: list[str]) -> bool:
    if word in ("and", "a"):
        return bool(following) and (
            following[0] in _SMALL or following[0] in (*_PARTS, *MULTIPLES, "a")
        )
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
        rest = _value([word for word in words[1:] if word != "a"])
        return None if rest is None or words[1:2] not in (["a"], ["dozen"]) else rest / 2
    total, group, last = Fraction(0), Fraction(0), 10**12
    for word in words:
        if word in ("and", "a"):
            continue
        if word in _SMALL:
            value = _SMALL[word]
            room = 10 if last in range(20, 100) and last % 10 == 0 else 100 if last >= 100 else 0
            if value >= room:
                return None
            group, last = group + value, value
        elif word in MULTIPLES:
            factor = MULTIPLES[word]
            group = (group or Fraction(1)) * factor
            if factor >= 1000:
                total, group = total + group, Fraction(0)
            last = factor
        else:
            return None
    return total + group


def _part(words: list[str]) -> Fraction | None:
    """Reads `half`, `a quarter`, `one third`, `three quarters`."""
    if not words or words[-1] not in _PARTS or len(words) > 2:
        return None
    if len(words) == 1:
        return Fraction(1, 2) if words[0] == "half" else None
    if words[0] == "a":
        return Fraction(1, _PARTS[words[1]])
    count = _SMALL.get(words[0])
    if count is None or (words[1] in _PLURAL) != (count != 1):
        return None
    return Fraction(count, _PARTS[words[1]])
