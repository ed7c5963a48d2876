"""Reads a verdict from a judge's text. The only place where that happens.

Nothing is assumed about an unclear text: it is UNDECIDED with one of these reasons.

| reason | when |
| --- | --- |
| `truncated` | generation ended at the token limit |
| `empty` | there is no text |
| `no_verdict` | the place of the verdict holds none |
| `two_verdicts` | the places of a verdict name both answers |
| `engine_error` | the engine gave no text (see the judgement's text for the message) |
"""

from __future__ import annotations

import re

from judgeloop.schema.records import Choice, Verdict, VerdictFormat

# A whole line: optional markdown, "Verdict", optional "answer", the letter, optional punctuation.
_VERDICT_LINE = re.compile(
    r"^[\s>#*_`]*(?:final\s+)?verdict[\s*_`]*[:=-]+[\s*_`]*(?:answer\s+)?[\[(\"'*_`]*([ab])[\])\"'*_`.!]*\s*$",
    re.IGNORECASE,
)
MAX_VERDICT_LINE = 200
"""Characters; a longer line is no verdict, and some would keep the expression busy for hours."""
_LETTER = re.compile(r"(?<!\S)[AB](?!\S)")


def parse_verdict(text: str, finish_reason: str, verdict_format: VerdictFormat) -> Verdict:
    """Reads the verdict of one judgement.

    Args:
        text: What the judge wrote.
        finish_reason: The engine's; `length` means that the text is cut off.
        verdict_format: `verdict_line`: the last line that is not empty must be a verdict line, and
            no other verdict line may contradict it. `trailing_letter`: the last word must be A or
            B, and no word before it the other letter.
    """
    if finish_reason == "length":
        return undecided("truncated")
    if not text.strip():
        return undecided("empty")
    if verdict_format == "trailing_letter":
        return _from_last_word(text)
    return _from_lines([line.strip() for line in text.splitlines() if line.strip()])


def undecided(reason: str) -> Verdict:
    """Makes an undecided verdict."""
    return Verdict(choice=Choice.UNDECIDED, reason=reason)


def _from_last_word(text: str) -> Verdict:
    letters = set(_LETTER.findall(text))
    if len(letters) > 1:
        return undecided("two_verdicts")
    last = text.split()[-1]
    return Verdict(choice=Choice(last)) if last in letters else undecided("no_verdict")


def _from_lines(lines: list[str]) -> Verdict:
    found = [_verdict_of(line) for line in lines]
    letters = set(filter(None, found))
    if len(letters) > 1:
        return undecided("two_verdicts")
    if found[-1] is None:
        return undecided("no_verdict")
    return Verdict(choice=Choice(found[-1]))


def _verdict_of(line: str) -> str | None:
    match = _VERDICT_LINE.match(line) if len(line) <= MAX_VERDICT_LINE else None
    return match[1].upper() if match else None
