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
_KEPT_SIGNS = set("%°$€£¥₹+#=<>/@~^|−")
_JOINERS = "\u200c\u200d"


def is_no_answer(text: str) -> bool:
    """Returns whether a text says that its author does not know."""
    return _NO_ANSWER.search(compatible(text).replace("’", "'")) is not None


def read_yes_no(text: str) -> str | None:
    """Reads yes or no as the first word, alone or before a clause; the other must not follow."""
    text = compatible(text).replace("’", "'").strip()
    match = _YES_NO.match(_LEAD.sub("", text))
    if match is None or _HEDGE.search(text):
        return None
    rest = match["rest"]
    if not rest[:1].isascii() and rest[:1].isalpha():
        return None
    if not _CLAUSE.match(rest):
        return None
    says_yes = match["word"].casefold() in _YES
    others = {word.casefold() in _YES for word in _OTHER.findall(rest)}
    if (not says_yes) in others:
        return None
    return "yes" if says_yes else "no"


def read_phrase(text: str) -> str | None:
    """Returns a phrase in lower case, without articles and punctuation; None if that is nothing.

    Letters of every script, their marks and signs that make a difference (`C++`, `-5 °C`) stay.
    """
    text = compatible(text).replace("’", "'")
    if _HEDGE.search(text.rstrip(" ?")) or text.rstrip().endswith("?"):
        return None
    phrase = phrase_form(_LEAD.sub("", text.strip()))
    return phrase or None


def phrase_form(text: str) -> str:
    """Returns the form in which phrases are compared; empty if nothing is left."""
    text = _without_articles(compatible(text).replace("’", "'").replace("−", "-").strip())
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFKD", text).casefold())
    text = unicodedata.normalize("NFKC", text).replace("&", " and ")
    text = re.sub(r"(?<=[^\W\d])[-‐‑–—](?=[^\W\d])", " ", text)
    text = re.sub(r"(?<!\w)[–—](?=\d)", "-", text)
    kept = [char if _is_kept(text, place, char) else _gap(char) for place, char in enumerate(text)]
    words = "".join(kept).split()
    return " ".join(_SMALL.get(word, word) for word in words)


def _gap(char: str) -> str:
    """Replacement of a removed character: nothing within U.S.A. and O'Neill."""
    return "" if char in ".'" else " "


def _is_kept(text: str, place: int, char: str) -> bool:
    kind = unicodedata.category(char)
    if kind[0] in "LMN" or char in _JOINERS or char in _KEPT_SIGNS or kind in ("Sm", "So", "Sk"):
        return char not in "™®©"
    before, after = text[place - 1 : place], text[place + 1 : place + 2]
    if char in ".,:":
        return before.isdigit() and after.isdigit()
    if char == "-":
        return after.isdigit()
    return False


def _without_articles(text: str) -> str:
    """Leaves out `a`, `an`, `the` before a word; `A` within a text may be a letter."""
    text = re.sub(r"^(?:a|an|the)\s+(?=\S)", "", text, flags=re.IGNORECASE)
    return re.sub(r"(?<!\w)(?:a|an|the)\s+(?=\w)", "", text)
