"""Reads the final answer of a response to a closed question, in a form that can be counted."""

from __future__ import annotations

import re
from decimal import Decimal

from judgeloop.schema.records import Kind, Question

MAX_ANSWER = 20_000
"""Characters of a model's answer above which it is not used, for it is no answer: comparing two of
them, or looking for the final one, could take hours."""
_ANSWER_LINE = re.compile(r"(?:final\s+)?answer\s*(?:is\b|:)\s*(.+?)\s*$", re.IGNORECASE)
_LETTER = re.compile(r"^\W*(?:option\s+)?\(?([A-Z])\W*$")
_LETTER_AND_TEXT = re.compile(r"^\W*(?:option\s+)?\(?([A-Z])[.):,]+\s*(.+)$")
_YES_NO = re.compile(r"^\W*(yes|no)\b", re.IGNORECASE)
_NUMBER = re.compile(r"-?\d+(?:,\d{3})*(?:\.\d+)?")
_WORD_NUMBERS = {
    word: str(value)
    for value, word in enumerate(
        (
            *("zero", "one", "two", "three", "four", "five", "six"),
            *("seven", "eight", "nine", "ten", "eleven", "twelve"),
        )
    )
}
_LARGER_NUMBERS = re.compile(r"teen\b|\w+ty\b|hundred|thousand|million|dozen|half|quarter|pair")
"""Words that make a number word before or after them a part of another number."""
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_SPACES = re.compile(r"\s+")


def normalise(text: str, question: Question) -> str | None:
    """Returns the counted form of a response's final answer, None where there is no one answer.

    A response of more than `MAX_ANSWER` characters has none.

    By kind: a choice's letter (also from an option's text), a number in canonical digits, `yes` or
    `no`, a short phrase in lower case without articles and punctuation.
    """
    final = _final_answer(text) if len(text) <= MAX_ANSWER else ""
    if not final:
        return None
    if question.kind is Kind.MULTIPLE_CHOICE:
        return _letter(final, question.choices or ())
    if question.kind is Kind.NUMBER:
        return _number(final)
    if question.kind is Kind.YES_NO:
        return _yes_no(final)
    return _phrase(final) or None


def _final_answer(text: str) -> str:
    """What follows the last `Answer:`, else the last line."""
    lines = [line.strip(" *_`") for line in text.splitlines() if line.strip()]
    for line in reversed(lines):
        if match := _ANSWER_LINE.search(line):
            return match[1].strip(" *_`")
    return lines[-1] if lines else ""


def _letter(text: str, choices: tuple[str, ...]) -> str | None:
    """Reads an option's letter alone, its letter and text, or its text alone."""
    letters = [chr(ord("A") + index) for index in range(len(choices) or 26)]
    if (match := _LETTER.match(text)) and match[1] in letters:
        return match[1]
    texts = dict(zip(letters, map(_phrase, choices), strict=False))
    if (match := _LETTER_AND_TEXT.match(text)) and texts.get(match[1]) == _phrase(match[2]):
        return match[1]
    named = [letter for letter, choice in texts.items() if choice == _phrase(text)]
    return named[0] if len(named) == 1 else None


def _yes_no(text: str) -> str | None:
    """Reads yes or no as the first word; the other one must not follow."""
    match = _YES_NO.match(text)
    both = len(set(re.findall(r"\b(?:yes|no)\b", text.lower()))) > 1
    return match[1].lower() if match and not both else None


def _number(text: str) -> str | None:
    digits = {_canonical(found) for found in _NUMBER.findall(text)}
    if digits:
        return digits.pop() if len(digits) == 1 else None
    words = [w for w in re.findall(r"[a-z]+", text.lower()) if w in _WORD_NUMBERS]
    if len(set(words)) != 1 or _LARGER_NUMBERS.search(text.lower()):
        return None
    return _WORD_NUMBERS[words[0]]


def _canonical(digits: str) -> str:
    number = f"{Decimal(digits.replace(',', '')):f}"
    whole, _, part = number.partition(".")
    part = part.rstrip("0")
    sign, whole = whole[: whole.startswith("-")], whole.removeprefix("-").lstrip("0") or "0"
    return f"{sign}{whole}.{part}" if part else f"{sign}{whole}"


def _phrase(text: str) -> str:
    plain = re.sub(r"[^\w\s]", " ", text.lower())
    return _SPACES.sub(" ", _ARTICLES.sub(" ", plain)).strip()
