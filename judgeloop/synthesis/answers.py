"""Reads the final answer of a response to a closed question, in a form that can be counted."""

from __future__ import annotations

import re

from judgeloop.records import Kind, Question

_ANSWER_LINE = re.compile(r"(?:final\s+)?answer\s*(?:is|:)\s*(.+?)\s*$", re.IGNORECASE)
_LETTER = re.compile(r"^\W*(?:option\s+)?\(?([A-Z])(?:[.):,].*)?$")
_TRAILING_LETTER = re.compile(r"(?:^|\s)\(?([A-Z])\)?[.]?$")
_NUMBER = re.compile(r"-?\d+(?:,\d{3})*(?:\.\d+)?")
_WORD_NUMBERS = {
    word: str(value)
    for value, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
        ]
    )
}
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_SPACES = re.compile(r"\s+")


def normalise(text: str, question: Question) -> str | None:
    """Returns the counted form of a response's final answer, None where there is no one answer.

    By kind: a choice's letter (also from an option's text), a number in canonical digits, `yes` or
    `no`, a short phrase in lower case without articles and punctuation.
    """
    final = _final_answer(text)
    if not final:
        return None
    if question.kind is Kind.MULTIPLE_CHOICE:
        return _letter(final, question.choices or ())
    if question.kind is Kind.NUMBER:
        return _number(final)
    if question.kind is Kind.YES_NO:
        found = set(re.findall(r"\b(?:yes|no)\b", final.lower()))
        return found.pop() if len(found) == 1 else None
    return _phrase(final) or None


def _final_answer(text: str) -> str:
    """What follows the last `Answer:`, else the last line."""
    lines = [line.strip(" *_`") for line in text.splitlines() if line.strip()]
    for line in reversed(lines):
        if match := _ANSWER_LINE.search(line):
            return match[1].strip(" *_`")
    return lines[-1] if lines else ""


def _letter(text: str, choices: tuple[str, ...]) -> str | None:
    letters = [chr(ord("A") + index) for index in range(len(choices) or 26)]
    for pattern in (_LETTER, _TRAILING_LETTER):
        match = pattern.match(text) if pattern is _LETTER else pattern.search(text)
        if match and match[1] in letters:
            return match[1]
    named = [
        letter
        for letter, choice in zip(letters, choices, strict=False)
        if _phrase(choice) == _phrase(text)
    ]
    return named[0] if len(named) == 1 else None


def _number(text: str) -> str | None:
    digits = {_canonical(found) for found in _NUMBER.findall(text)}
    words = {_WORD_NUMBERS[w] for w in re.findall(r"[a-z]+", text.lower()) if w in _WORD_NUMBERS}
    found = digits or words
    return found.pop() if len(found) == 1 else None


def _canonical(digits: str) -> str:
    value = float(digits.replace(",", ""))
    return str(int(value)) if value == int(value) else str(value)


def _phrase(text: str) -> str:
    plain = re.sub(r"[^\w\s]", " ", text.lower())
    return _SPACES.sub(" ", _ARTICLES.sub(" ", plain)).strip()
