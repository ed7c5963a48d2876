"""Reads a number in digits, words or LaTeX, and its unit, from a final answer.

A number that a word changes ("at least 3", "not three", "1.5 million") must not be read as another:
where a word may change it, the answer cannot be read.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Context, Decimal, Inexact
from fractions import Fraction

from judgeloop.method.markup import compatible
from judgeloop.method.synthesis.latex import read_latex, unwrapped
from judgeloop.method.synthesis.number_words import MULTIPLES, NUMBERS, spelled_numbers
from judgeloop.method.synthesis.units import unit_after, unit_before

_EXACT = Context(prec=10_000, traps=[Inexact])
"""More digits than any decimal that a final answer has room for."""
_MODIFIED = re.compile(
    r"[~≈±<>≤≥?∓≠]|(?<=\d)\s?\+|-ish\b|(?<=\d)ish\b"
    r"|\b(?:about|around|approx\w*|roughly|nearly|almost|circa|ca\.|or\s+so|at\s+(?:least|most)|more\s+than"
    r"|less\s+than|fewer\s+than|greater\s+than|over|under|above|below|up\s+to|no\s+(?:more|less|fewer)"
    r"|not|neither|nor|maybe|perhaps|probably|possibly|might|could|likely|either|or|between|several|many|few"
    r"|couple|some|minimum|maximum|unsure|guess|estimated?|another|additional|unless|except|but|plus"
    rf"|(?:minus|negative)(?![\s-]+(?:{'|'.join(NUMBERS)})\b)"
    r"|to|versus|vs|out\s+of|per|times|point|half\s+of)\b|n't\b|(?<!\w)no\s+\d",
    re.IGNORECASE,
)
_MINUS = "−–—‒﹣－"
_SIGN = re.compile(r"(?<!\w)(?:[−﹣－]\s?|[–—‒](?=\S)|(?<!\w )[–—‒]\s)(?=[$€£¥₹]?\s?[.\d])")
"""A dash between a word and a number is none: `in total – 3`."""
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_SUPERSCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+")
_DIGITS = re.compile(
    r"(?P<sign>(?<![\w.,)])[-+])?"
    r"(?P<whole>(?!0,|0\d*[ '])\d{1,3}(?:[ ,']\d{3}){1,300}(?!\d|,\d)"
    r"|\d{1,2}(?:,\d{2}){1,300},\d{3}(?!\d|,\d)|\d{1,1000}|(?<!\.)(?=[.]\d))"
    r"(?P<part>[.,]\d{1,1000}(?![.,]?\d))?"
    r"(?:\s?/\s?(?P<over>\d{1,12})(?![/\d]|\s?\^))?"
    r"(?P<power>\s?(?:[x×*·]|\\times|\\cdot)\s?10\s?\^\s?\{?[-+]?\d{1,3}\}?|[eE][-+]?\d{1,3}(?!\w)|\s?\^\s?\{?[-+]?\d{1,3}\}?)?"
)
_MIXED = re.compile(r"(?<![\w./,])(\d{1,6})[ -](\d{1,4})\s?/\s?(\d{1,4})(?![\d/])")
_SIGN_IN_WORDS = re.compile(r"\b(?:minus|negative)\s+(?=[$€£¥₹]?\s?[.\d])", re.IGNORECASE)
_SIGN_BEFORE_CURRENCY = re.compile(r"(?<![\w)])-([$€£¥₹])\s?(?=[.\d])")
_AROUND = " *_`\"'“”()[]!"
_CLOCK = re.compile(r"[ .]*((?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d)?)[ .]*")
_NONE = re.compile(
    r"(?:(?:there\s+(?:are|is|were)|i\s+see|it\s+has)\s+)?(?:none|no\s+(?!idea|answer|way|number|one\b|body|\d)[a-z]+(?:\s+[a-z]+){0,4})[.!]?",
    re.IGNORECASE,
)
_EQUATION = re.compile(r"^.{0,200}=\s*(?=[-+.\d$\\])", re.DOTALL)
_HAN = {char: value for value, char in enumerate("零一二三四五六七八九十")} | {
    "两": 2,
    "兩": 2,
    "〇": 0,
}
_HAN_ANSWER = re.compile(
    r"([零〇一二三四五六七八九十两兩])\s?[个個只隻条條张張匹人本辆輛台件位头頭名朵棵つ匹本枚]?[。.]?"
)


def read_number(text: str) -> str | None:
    """Returns the one number of a final answer as canonical text, with its unit.

    A value is written as a decimal where that ends, else as a fraction: `0.5`, `1/3`, `-5 °C`.
    """
    text = _prepared(text)
    if match := _CLOCK.fullmatch(text):
        return match[1]
    if match := _HAN_ANSWER.fullmatch(text):
        return str(_HAN[match[1]])
    if _NONE.fullmatch(text):
        return "0"
    text = _EQUATION.sub("", text)
    exact = read_latex(text.strip(" ."))
    if exact is not None:
        return exact if isinstance(exact, str) else _canonical(exact)
    if "\\" in text or _MODIFIED.search(text):
        return None
    found = [*_in_digits(text), *spelled_numbers(_blanked(text))]
    if None in found:
        return None
    values = [measured for measured in found if measured is not None]
    units = {unit for _, unit in values if unit}
    numbers = {value for value, _ in values}
    if len(numbers) != 1 or len(units) > 1:
        return None
    unit = units.pop() if units else ""
    return f"{_canonical(numbers.pop())} {unit}".strip()


def _prepared(text: str) -> str:
    """Returns the text with ASCII digits and signs, so that no step changes a value.

    Superscripts become powers and fractions get a space before NFKC would join their digits to
    those before: 10² would be 102, and 1½ 11/2.
    """
    text = _SUPERSCRIPT.sub(lambda match: "^" + match[0].translate(_SUPERSCRIPTS), text)
    text = "".join(
        f" {char}" if "⁄" in unicodedata.normalize("NFKC", char) else char for char in text
    )
    text = unwrapped(compatible(text)).replace("⁄", "/").replace("’", "'")
    text = "".join(
        str(unicodedata.decimal(char)) if unicodedata.category(char) == "Nd" else char
        for char in text
    )
    text = " ".join(text.split()).strip(_AROUND)
    text = _SIGN_IN_WORDS.sub("-", _SIGN.sub("-", text))
    return _SIGN_BEFORE_CURRENCY.sub(r"\1-", text)


def _in_digits(text: str) -> list[tuple[Fraction, str] | None]:
    """Returns each number in digits with its unit; None for one that cannot be read."""
    if re.search(rf"\d\s?[-{_MINUS}]\s?\d|\d:\d|\d+/\d+/\d+", text) and not _MIXED.search(text):
        return [None]  # a range, a time or a date
    found: list[tuple[Fraction, str] | None] = []
    text, at = _MIXED.sub(_improper, text), 0
    while match := _DIGITS.search(text, at):
        before, after, at = text[: match.start()], text[match.end() :], match.end()
        if not (match["whole"] or match["part"]):
            return [None]  # .5.5
        if before[-1:].isalpha() or (before[-1:] in ("-", "_") and before[-2:-1].isalnum()):
            continue  # part of a name: B2, COVID-19
        value = _value(match)
        measure = unit_after(after)
        if value is None or measure is None:
            return [None]
        at += measure.length
        found.append((value * measure.scale, measure.unit or unit_before(before)))
    return found


def _improper(match: re.Match[str]) -> str:
    """Writes 1 1/2 as 3/2."""
    whole, part, parts = (int(match[group]) for group in (1, 2, 3))
    return f"{whole * parts + part}/{parts}"


def _value(match: re.Match[str]) -> Fraction | None:
    whole, part = re.sub(r"[ ,']", "", match["whole"]), match["part"] or ""
    try:
        value = Fraction(f"{whole}{part.replace(',', '.')}")
        if match["over"]:
            value /= int(match["over"])
        value *= _power(match["power"] or "", value)
    except (ZeroDivisionError, OverflowError):
        return None
    return -value if match["sign"] == "-" else value


def _power(text: str, value: Fraction) -> Fraction:
    """Returns the factor by which a power multiplies the number before it."""
    if not text:
        return Fraction(1)
    exponent = int(re.findall(r"[-+]?\d+", text)[-1])
    if abs(exponent) > 30:
        raise OverflowError(f"a power of {exponent}")
    if text.lstrip().startswith("^"):
        if max(abs(value.numerator), value.denominator) > 10**6:
            raise OverflowError(f"a power of {value}")
        return value ** (exponent - 1)
    return Fraction(10) ** exponent


def _blanked(text: str) -> str:
    """Returns the text without numbers in digits and the words that multiply them."""
    return re.sub(
        rf"\d[\d.,/^ ]*(?:\s?(?:{'|'.join(MULTIPLES)})\b)*", " # ", text, flags=re.IGNORECASE
    )


def _canonical(value: Fraction) -> str:
    numerator, denominator = Decimal(value.numerator), Decimal(value.denominator)
    try:
        return f"{_EXACT.divide(numerator, denominator):f}"
    except Inexact:
        return f"{numerator:f}/{denominator:f}"
