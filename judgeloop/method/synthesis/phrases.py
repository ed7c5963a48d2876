"""Counted forms of short phrases and of yes and no."""

from __future__ import annotations

import re
import unicodedata

from judgeloop.method.markup import compatible

_NO_ANSWER = re.compile(
    r"\b(?:(?:i'?m|i\s+am|we\s+are|we're)\s+(?:not\s+(?:sure|certain|able)|unsure|uncertain|unable|sorry|afraid)"
    r"|i\s+(?:do\s+not|don'?t|can\s?not|can'?t|could\s+not|couldn'?t)\s+"
    r"(?:know|tell|see|say|determine|answer|identify|make|read|help|assist|provide|view)"
    r"|(?:can\s?not|can'?t|could\s+not|couldn'?t)\s+(?:be\s+)?(?:determined?|tell|say|answer(?:ed)?|identif\w+)"
    r"|(?:un|in)determin(?:ed|able|ate)|unanswerable|no\s+idea|not\s+sure|hard\s+to\s+(?:say|tell)"
    r"|(?:difficult|impossible|not\s+possible)\s+to\s+(?:say|tell|determine|know|answer)|no\s+(?:final\s+)?answer"
    r"|(?:not|in)\s*(?:enough|sufficient)\s+(?:information|context|detail)|insufficient\s+information"
    r"|as\s+an?\s+(?:ai|language\s+model)|not\s+(?:specified|given|mentioned|stated|visible\s+enough)"
    r"|je\s+ne\s+sais\s+pas|no\s+(?:lo\s+)?s[eé]\b|(?:ich\s+)?wei(?:ß|ss)\s+(?:ich\s+|es\s+)?nicht|não\s+sei|non\s+(?:lo\s+)?so)"
    r"|^\W*(?:n/?a|unknown|unclear|unsure|uncertain|none\s+given|\?+|idk|unidentified)\W*$"
    r"|не\s+знаю|не\s+уверен|不知道|不确定|無法|无法|不清楚|わかりません|分かりません|わからない|不明|모르|알\s*수\s*없",
    re.IGNORECASE,
)
_HEDGE = re.compile(
    r"\b(?:maybe|perhaps|possibly|probably|presumably|apparently|likely|might|could\s+be|may\s+be|seems?"
    r"|i\s+guess|not\s+(?:sure|necessarily|really|exactly|entirely)|sort\s+of|kind\s+of|partly|partially"
    r"|sometimes|depends?|either|neither)\b|\?",
    re.IGNORECASE,
)
_YES_NO = re.compile(
    r"^\W*(?P<word>yes|nope|non?|yeah|yep|yup|sí|oui|ja|nein|sim|não|да|нет|是的|是|不是|否|はい|いいえ|네|예|아니요|아니오)"
    r"(?P<rest>.*)$",
    re.IGNORECASE | re.DOTALL,
)
_YES = {
    "yes",
    "yeah",
    "yep",
    "yup",
    "sí",
    "oui",
    "ja",
    "sim",
    "да",
    "是的",
    "是",
    "はい",
    "네",
    "예",
}
_CLAUSE = re.compile(
    r"^(?:\s*$|\s*[,.;:!)\"'*。、，！-](?!\s*\d)|\s+[-–—(]"
    r"|\s+(?:it|there|they|he|she|this|that|these|those|the|i|you|we|because|since|as|not)\b)",
    re.IGNORECASE,
)
_OTHER = re.compile(r"\b(?:yes|no|nope|yeah)\b", re.IGNORECASE)
_LEAD = re.compile(
    r"^(?:(?:so|well|thus|therefore|hence),?\s+)?(?:(?:i\s+(?:think|believe)\s+)?(?:it|this|that|he|she)\s*(?:is|'s|was)"
    r"|they\s*(?:are|'re|were)|there\s*(?:is|'s|are)|i\s+(?:can\s+)?see)\s+(?!not\b|no\b)(?=\S)",
    re.IGNORECASE,
)
_SMALL = {
    word: str(value)
    for value, word in enumerate(
        (
            *("zero", "", "two", "three", "four", "five", "six"),
            *("seven", "eight", "nine", "ten", "eleven", "twelve"),
        )
    )
    if word
}
"""Without `one`, which is a pronoun as well."""
_TRADE_MARKS = re.compile("[™®©℠]")
_KEPT_SIGNS = frozenset("%°$€£¥₹+#=<>/@~^|−\u200c\u200d")
"""With the joiners of Persian and Hindi, and of emoji."""
_KEPT_KINDS = ("L", "M", "N", "Sm", "So", "Sk")
_WITHIN_NUMBERS = (".", ",", ":")
_WITHIN_NAMES = (".", "'")
"""Left out without a gap: U.S.A., O'Neill."""
_DASH_BEFORE_NUMBER = re.compile(r"(?<!\w)[–—](?=\d)")
_FIRST_ARTICLE = re.compile(r"^(?:a|an|the)\s+(?=\S)", re.IGNORECASE)
_ARTICLE = re.compile(r"(?<!\w)(?:a|an|the)\s+(?=\w)")
"""`A` within a text may be a letter."""


def plain(text: str) -> str:
    """Returns a text in its compatible form, with straight apostrophes and without trade marks."""
    return compatible(_TRADE_MARKS.sub("", text)).replace("’", "'")


def is_no_answer(text: str) -> bool:
    """Returns whether a text says that its author does not know."""
    return _NO_ANSWER.search(plain(text)) is not None


def read_yes_no(text: str) -> str | None:
    """Reads yes or no as the first word, alone or before a clause; the other must not follow."""
    text = plain(text).strip()
    match = _YES_NO.match(_LEAD.sub("", text))
    if match is None or _HEDGE.search(text):
        return None
    says_yes = match["word"].casefold() in _YES
    others = {word.casefold() in _YES for word in _OTHER.findall(match["rest"])}
    if not _CLAUSE.match(match["rest"]) or (not says_yes) in others:
        return None
    return "yes" if says_yes else "no"


def read_phrase(text: str) -> str | None:
    """Returns a phrase in lower case, without articles and punctuation; None if that is nothing.

    Letters of every script, their marks and signs that make a difference (`C++`, `-5 °C`) stay.
    """
    text = plain(text).strip()
    if _HEDGE.search(text):
        return None
    return phrase_form(_LEAD.sub("", text)) or None


def phrase_form(text: str) -> str:
    """Returns the form in which phrases are compared; empty if nothing is left."""
    text = _FIRST_ARTICLE.sub("", plain(text).replace("−", "-").strip())
    text = unicodedata.normalize("NFKD", _ARTICLE.sub("", text)).casefold()
    text = unicodedata.normalize("NFKC", text).replace("&", " and ")
    text = _DASH_BEFORE_NUMBER.sub("-", text)
    words = "".join(_kept(text, place) for place in range(len(text))).split()
    return " ".join(_SMALL.get(word, word) for word in words)


def _kept(text: str, place: int) -> str:
    """Returns a character, a gap in its place, or nothing."""
    char = text[place]
    if char in _KEPT_SIGNS or unicodedata.category(char).startswith(_KEPT_KINDS):
        return char
    before, after = text[place - 1 : place], text[place + 1 : place + 2]
    if char == "-" and after.isdigit():
        return char
    if char in _WITHIN_NUMBERS and before.isdigit() and after.isdigit():
        return char
    return "" if char in _WITHIN_NAMES else " "
