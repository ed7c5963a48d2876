"""Reads which option of a multiple-choice question an answer names: by letter, by text, or both."""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import ascii_uppercase

from judgeloop.method.synthesis.latex import unwrapped
from judgeloop.method.synthesis.phrases import phrase_form, plain, read_phrase

_NOUN = r"(?:option|choice|answer|alternative|letter|opción|réponse|antwort|选项|選項|選択肢)"
_LEAD = re.compile(
    rf"^(?:(?:so|therefore|thus|hence)\s*,?\s+)?(?:(?:it|this|that)\s*(?:is|'s)\s+"
    rf"|(?:i|we)\s+(?:think|believe|say|choose|pick|select|chose|would\s+choose)\s+(?:it(?:'s|\s+is)\s+)?"
    rf"|(?:the\s+)?(?:correct|right|best)\s+{_NOUN}\s*(?:is|:)\s*)",
    re.IGNORECASE,
)
_LETTER = re.compile(
    rf"^(?P<noun>(?:the\s+)?{_NOUN}\s*[:#]?\s*)?(?P<open>[\s(\[{{<\"'“「【]{{0,4}})(?P<letter>[A-Za-z])(?![^\W_])"
    r"(?P<close>[\s)\]}>\"'”」】]{0,4})(?P<rest>.*)$",
    re.IGNORECASE | re.DOTALL,
)
_REASON = re.compile(
    r"\s*(?:,\s*)?(?:because|since|as|due\s+to|given)\b|\s*(?:is|was)\s+(?:the\s+)?"
    rf"(?:correct|right|best|true)(?:\s+(?:{_NOUN}|one))?\s*[.!]*$",
    re.IGNORECASE,
)
_SEPARATOR = re.compile(r"\s*[.):,\-–—]+\s*")
_DOUBT = re.compile(
    r"\b(?:not|neither|nor|except|never|isn't|maybe|perhaps|probably|possibly|might|unsure|either)\b|\?|n't\b",
    re.IGNORECASE,
)


def read_option(text: str, choices: Sequence[str]) -> str | None:
    """Returns the letter of the one option that is named.

    Args:
        text: The final answer.
        choices: The options' texts, (A) first; where they are unknown, any letter is one.
    """
    text = plain(unwrapped(text)).strip(" \t*_`")
    forms = {chr(ord("A") + place): phrase_form(choice) for place, choice in enumerate(choices)}
    form = phrase_form(text)
    letter = _by_form(form, forms)
    if letter is not None and form.upper() not in forms:
        return None if _is_letter_too(text, letter, choices) else letter
    lead = _LEAD.match(text)
    said = text[lead.end() :] if lead else text
    if (letter := _by_letter(said, forms or dict.fromkeys(ascii_uppercase, ""))) is not None:
        return letter
    letter = _by_form(read_phrase(said), forms)
    return None if letter is None or _is_letter_too(said, letter, choices) else letter


def _by_form(form: str | None, forms: dict[str, str]) -> str | None:
    """Returns the letter of the one option that has this form."""
    named = [letter for letter, option in forms.items() if option and option == form]
    return named[0] if len(named) == 1 else None


def _is_letter_too(text: str, letter: str, choices: Sequence[str]) -> bool:
    """Returns whether `A` at the beginning may be the letter of another option than is named."""
    own = choices[ord(letter) - ord("A")]
    return letter != "A" and text.startswith("A ") and own[:2].casefold() != "a "


def _by_letter(text: str, forms: dict[str, str]) -> str | None:
    """Reads `C`, `(c)`, `Option C`, `C because ...`, `C. the option's text`."""
    match = _LETTER.match(text)
    if match is None or match["letter"].upper() not in forms:
        return None
    letter, rest, closed = match["letter"].upper(), match["rest"], match["close"].strip()
    if not rest.strip(" .!:;,*"):
        return letter
    if match["letter"].islower() and not (match["noun"] or match["open"].strip() or closed):
        return None
    if _REASON.match(rest):
        return letter
    separator = _SEPARATOR.match(rest)
    if separator is None and not closed:
        return None
    following = rest[separator.end() :] if separator else rest
    form = phrase_form(following)
    if not form or not _begins_with(form, letter, forms):
        return None
    if form == forms[letter]:
        return letter
    return None if _DOUBT.search(following) or _names_other(following, letter, forms) else letter


def _begins_with(form: str, letter: str, forms: dict[str, str]) -> bool:
    """Returns whether a text begins with the option of that letter, and with no longer one.

    Where the options are unknown, each is the empty text, with which all others begin.
    """
    words = form.split()
    begun = [own for own in forms.values() if words[: len(own.split())] == own.split()]
    return max(begun, default=None) == forms[letter]  # the longest, since one begins another


def _names_other(text: str, letter: str, forms: dict[str, str]) -> bool:
    """Returns whether a text has another option's letter; `I` and `A` may be words."""
    found = set(re.findall(r"(?<![\w'])[A-Z](?![\w'])", text))
    return bool(found & (set(forms) - {letter, "I", "A"}))
