"""Reads which option of a multiple-choice question an answer names: by letter, by text, or both."""

from __future__ import annotations

import re
from collections.abc import Sequence

from judgeloop.method.markup import compatible
from judgeloop.method.synthesis.latex import unwrapped
from judgeloop.method.synthesis.phrases import phrase_form, read_phrase

_NOUN = r"(?:option|choice|answer|alternative|letter|opción|réponse|antwort|选项|選項|選択肢)"
_LEAD = re.compile(
    rf"^(?:(?:so|therefore|thus|hence)\s*,?\s+)?(?:(?:it|this|that)\s*(?:is|'s)\s+"
    rf"|(?:i|we)\s+(?:think|believe|say|choose|pick|select|chose|would\s+choose)\s+(?:it(?:'s|\s+is)\s+)?"
    rf"|(?:the\s+)?(?:correct|right|best)\s+{_NOUN}\s*(?:is|:)\s*)",
    re.IGNORECASE,
)
_LETTER = re.compile(
    rf"^(?P<noun>(?:the\s+)?{_NOUN}\s*[:#]?\s*)?(?P<open>[\s(\[{{<\"'“「【]{{0,4}})(?P<letter>[A-Za-z])"
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
    text = compatible(unwrapped(text)).replace("’", "'").strip(" \t*_`")
    letters = [chr(ord("A") + index) for index in range(len(choices) or 26)]
    forms = dict(zip(letters, map(phrase_form, choices), strict=False))
    named = [letter for letter, form in forms.items() if form and form == phrase_form(text)]
    if len(named) == 1 and len(text) > 1:
        return None if _is_letter_too(text, named[0], choices) else named[0]
    lead = _LEAD.match(text)
    said = text[lead.end() :] if lead else text
    if (letter := _by_letter(said, letters, forms)) is not None:
        return letter
    if _DOUBT.search(said) or (lead is None and _starts_with_letter(said, letters, forms)):
        return None
    form = read_phrase(said) or ""
    named = [letter for letter, option in forms.items() if option and option == form]
    sure = len(named) == 1 and not _is_letter_too(said, named[0], choices)
    return named[0] if sure else None


def _is_letter_too(text: str, letter: str, choices: Sequence[str]) -> bool:
    """Returns whether `A` at the beginning may be the letter of another option than is named."""
    own = choices[ord(letter) - ord("A")]
    return letter != "A" and text.startswith("A ") and own[:2].casefold() != "a "


def _by_letter(text: str, letters: Sequence[str], forms: dict[str, str]) -> str | None:
    """Reads `C`, `(c)`, `Option C`, `C because ...`, `C. the option's text`."""
    match = _LETTER.match(text)
    if match is None or match["letter"].upper() not in letters:
        return None
    letter, rest = match["letter"].upper(), match["rest"]
    marked = (
        match["noun"] is not None or match["open"].strip() != "" or match["close"].strip() != ""
    )
    is_word = rest[:1].isalnum() and match["close"] == ""
    if is_word:
        return None
    if not rest.strip(" .!:;,*"):
        return letter
    if match["letter"].islower() and not marked:
        return None
    if _REASON.match(match["close"] + rest):
        return letter
    separator = _SEPARATOR.match(rest)
    if separator is None and not match["close"].strip():
        return None
    following = rest[separator.end() :] if separator else rest
    form = phrase_form(following)
    if forms and form == forms[letter]:
        return letter
    if not form or _DOUBT.search(following) or _names_other(following, letter, letters):
        return None
    return letter if not forms or _begins_with(form, letter, forms) else None


def _begins_with(form: str, letter: str, forms: dict[str, str]) -> bool:
    """Returns whether a text begins with the option of that letter, and with no longer one."""
    own = forms[letter]
    longer = [other for other in forms.values() if len(other) > len(own)]
    return form.startswith(f"{own} ") and not any(form.startswith(f"{o} ") for o in longer)


def _starts_with_letter(text: str, letters: Sequence[str], forms: dict[str, str]) -> bool:
    """Returns whether a text begins with an option's letter and a mark."""
    match = re.match(r"[(\[]?([A-Z])[.):\]]", text)
    return match is not None and match[1] in letters


def _names_other(text: str, letter: str, letters: Sequence[str]) -> bool:
    found = set(re.findall(r"(?<![\w'])[A-Z](?![\w'])", text))
    return bool(found & (set(letters) - {letter, "I", "A"}))
