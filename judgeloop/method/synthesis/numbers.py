"""Reads a number in digits, words or LaTeX, and its unit, from a final answer.

A number that a word changes ("at least 3", "not three", "1.5 million") must not be read as another:
where a word may change it, the answer cannot be read.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from judgeloop.method.markup import compatible
from judgeloop.method.synthesis.latex import read_latex, unwrapped
from judgeloop.method.synthesis.number_words import MULTIPLES, spelled_numbers
from judgeloop.method.synthesis.units import unit_after, unit_before

MAX_DIGITS = 1000
_MODIFIED = re.compile(
    r"[~≈±<>≤≥?∓≠]|(?<=\d)\s?\+|-ish\b|(?<=\d)ish\b"
    r"|\b(?:about|around|approx\w*|roughly|nearly|almost|circa|ca\.|or\s+so|at\s+(?:least|most)|more\s+than"
    r"|less\s+than|fewer\s+than|greater\s+than|over|under|above|below|up\s+to|no\s+(?:more|less|fewer)"
    r"|not|neither|nor|maybe|perhaps|probably|possibly|might|could|likely|either|or|between|several|many|few"
    r"|couple|some|minimum|maximum|unsure|guess|estimated?|another|additional|unless|except|but|plus|minus\s+\D"
    r"|to|versus|vs|out\s+of|per|times|point|half\s+of)\b|n't\b|(?<!\w)no\s+\d",
    re.IGNORECASE,
)
_MINUS = "−–—‒﹣－"
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_SUPERSCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+")
_DIGITS = re.compile(
    r"(?P<sign>(?<![\w.,)])[-+])?"
    r"(?P<whole>(?!0)\d{1,3}(?:[ ,'’]\d{3})+(?![\d,])|\d{1,2}(?:,\d{2})+,\d{3}(?![\d,])"
    r"|\d{1,1000}|(?=[.]\d))"
    r"(?P<part>[.,]\d{1,1000}(?![.,]?\d))?"
    r"(?:(?P<over>\s?[/⁄]\s?\d{1,12})(?![/\d]))?"
    r"(?P<power>\s?(?:[x×*·]|\\times|\\cdot)\s?10\s?\^\s?\{?[-+]?\d{1,3}\}?|[eE][-+]?\d{1,3}(?!\w)|\s?\^\s?\{?[-+]?\d{1,3}\}?)?"
)
_MIXED = re.compile(r"(?<![\w./,])(\d{1,6})[ -](\d{1,4})\s?[/⁄]\s?(\d{1,4})(?![\d/])")
_CLOCK = re.compile(r"(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d)?")
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
    if _CLOCK.fullmatch(text.strip(" .")):
        return text.strip(" .")
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
    if not found or None in found:
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
    text = re.sub(rf"(?<![\d\w])[{_MINUS}]\s?(?=[.\d])", "-", text)
    text = re.sub(r"\b(?:minus|negative)\s+(?=[.\d])", "-", text, flags=re.IGNORECASE)
    return " ".join(text.split()).strip(" \t*_`\"'“”()[]").rstrip("!")


def _in_digits(text: str) -> list[tuple[Fraction, str] | None]:
    """Returns each number in digits with its unit; None for one that cannot be read."""
    if re.search(rf"\d\s?[-{_MINUS}]\s?\d|\d:\d|\d+/\d+/\d+", text) and not _MIXED.search(text):
        return [None]  # a range, a time or a date
    found: list[tuple[Fraction, str] | None] = []
    text, at = _MIXED.sub(_improper, text), 0
    while match := _DIGITS.search(text, at):
        before, after = text[: match.start()], text[match.end() :]
        at = max(match.end(), match.start() + 1)
        if before[-1:].isalpha() or (before[-1:] in ("-", "_") and before[-2:-1].isalnum()):
            continue  # part of a name: B2, COVID-19
        if not match["whole"] and not match["part"]:
            continue
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
    whole, part = re.sub(r"[ ,'’]", "", match["whole"]) or "0", (match["part"] or "")[1:]
    is_comma = (match["part"] or "").startswith(",")
    if is_comma and len(part) == 3 and whole != "0" and len(match["whole"]) <= 3:
        whole, part = whole + part, ""  # thousands
    try:
        value = Fraction(Decimal(f"{whole}.{part or '0'}"))
        if match["over"]:
            value /= int(match["over"].strip(" /⁄"))
        value *= _power(match["power"] or "", value)
    except (ZeroDivisionError, InvalidOperation, OverflowError, ValueError):
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
        if value == 0 and exponent <= 0:
            raise ZeroDivisionError
        if abs(value) > 10**6:
            raise OverflowError(f"a power of {value}")
        return value ** (exponent - 1)
    return Fraction(10) ** exponent


def _blanked(text: str) -> str:
    """Returns the text without numbers in digits and the words that multiply them."""
    return re.sub(
        rf"\d[\d.,/^ ]*(?:\s?(?:{'|'.join(MULTIPLES)})\b)?", " # ", text, flags=re.IGNORECASE
    )


def _canonical(value: Fraction) -> str:
    if set(_factors(value.denominator)) - {2, 5}:
        return f"{value.numerator}/{value.denominator}"
    digits = 0
    while value.denominator != 1 and digits < 1100:
        value, digits = value * 10, digits + 1
    sign, text = "-" if value < 0 else "", _digits(abs(value.numerator)).rjust(digits + 1, "0")
    if not digits:
        return sign + text
    return f"{sign}{text[:-digits]}.{text[-digits:]}".rstrip("0").rstrip(".")


def _digits(value: int) -> str:
    return f"{Decimal(value):f}"


def _factors(value: int) -> set[int]:
    """Returns 2 and 5 where they divide, and what is left where that is more than one."""
    found = set()
    for prime in (2, 5):
        while value % prime == 0:
            value //= prime
            found.add(prime)
    return found | ({value} if value > 1 else set())
