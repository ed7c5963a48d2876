"""Compares an answer with its altered copy: what they say, not how it is written.

Texts are compared in segments: a word, or a character of a script that puts no spaces between
words (Chinese, Japanese, Thai, Lao, Khmer, Burmese).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from judgeloop.method.synthesis.frames import without_frame
from judgeloop.method.synthesis.phrases import phrase_form
from judgeloop.method.synthesis.variants import SIMPLIFIED

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0002ffff"
)
_SEGMENT = re.compile(
    rf"[{_UNSPACED}]|[^\W{_UNSPACED}](?:[^\s{_UNSPACED}]*[^\W{_UNSPACED}])?|[^\w\s]"
)
_JOINED = 2
"""Equal segments between two changes that make them one place."""
_SYNONYMS = (
    *("couch sofa settee", "big large", "little small", "kid child", "kids children"),
    *("photo picture image photograph pic", "bike bicycle", "bikes bicycles", "car automobile"),
    *("cars automobiles", "colour color", "colours colors", "coloured colored", "grey gray"),
    *("tv television", "phone telephone", "mobile cellphone", "street road", "rock stone"),
    *("rug carpet", "begin start", "begins starts", "close shut", "nearby near", "plane airplane"),
    *("truck lorry", "lady woman", "ladies women", "man guy", "men guys", "puppy pup"),
    *("center centre", "pavement sidewalk", "trousers pants", "next beside"),
    *("a an the", "shows depicts displays", "seems appears", "several multiple various"),
    *("quickly fast rapidly", "beautiful pretty lovely", "happy glad joyful", "smiling smiles"),
    *("sitting seated sits", "standing stands", "lying lies", "wearing wears", "holding holds"),
    *("behind rear", "under beneath underneath below"),
    *("above over", "on upon onto", "while whilst", "toward towards", "forest woods"),
)
_SAME = {word: group.split()[0] for group in _SYNONYMS for word in group.split()}
_SAME |= {char: str(value) for value, char in enumerate("零一二三四五六七八九十")}
_SAME |= {"〇": "0", "两": "2", "兩": "2"}
_MARKUP = {
    "emphasis": re.compile(r"\*\*|__|~~|<(?:b|i|u|s|del|ins|mark|strong|em)>"),
    "bullet": re.compile(r"^[^\S\n]*(?:[-*•+]|\d{1,2}[.)])\s", re.MULTILINE),
    "heading": re.compile(r"^[^\S\n]*#{1,6}\s", re.MULTILINE),
    "code": re.compile(r"`"),
    "line": re.compile(r"\n(?=[^\S\n]*\S)"),
    "bracket": re.compile(r"[\[\]{}]"),
    "star": re.compile(r"\*|(?<![\w_])_(?=[^\W_])"),
    "capitals": re.compile(r"(?<![^\W_])[A-Z]{3,}(?![^\W_])"),
    "symbol": re.compile("[\u2600-\u27bf\U0001f300-\U0001faff]"),
}


class Change(NamedTuple):
    """One place where a copy differs."""

    before: str
    after: str
    size: int
    """Segments that were left out and put in."""


def segments(text: str) -> list[str]:
    """Cuts a text into words, characters of unspaced scripts and signs."""
    return _SEGMENT.findall(text)


def content(text: str) -> tuple[str, ...]:
    """Returns what a text says, in a form that spelling and near synonyms do not change.

    Markup, punctuation, case, articles, normal forms, digits, words or Chinese characters for small
    numbers, traditional and simplified characters (those of `variants`), and some British, American
    and everyday synonyms make no difference.
    """
    text = text.lower() if text.isupper() else text
    plain = phrase_form(re.sub(r"[*_`~]+|^\s*#+", "", text))
    words = segments(plain.translate(SIMPLIFIED))
    return tuple(_SAME.get(word, word) for word in words)


def say_the_same(one: str, other: str) -> bool:
    """Returns whether two texts say the same, with or without a frame ("In the image there is")."""
    return content(one) == content(other) or content(without_frame(one)) == content(
        without_frame(other)
    )


def similarity(one: Sequence[str], other: Sequence[str]) -> float:
    """Returns the share of segments that two texts have in common, in order: 0 to 1."""
    from rapidfuzz.distance import Indel

    return float(Indel.normalized_similarity(one, other))


def changes(original: str, copy: str) -> list[Change]:
    """Returns the places where a copy differs, in order."""
    from rapidfuzz.distance import Indel

    before, after = segments(original), segments(copy)
    places: list[list[int]] = []
    for code in Indel.opcodes(before, after):
        if code.tag == "equal":
            continue
        if places and code.src_start - places[-1][1] <= _JOINED:
            places[-1][1], places[-1][3] = code.src_end, code.dest_end
        else:
            places.append([code.src_start, code.src_end, code.dest_start, code.dest_end])
    return [
        Change(_joined(before[a:b]), _joined(after[c:d]), max(b - a, d - c))
        for a, b, c, d in places
    ]


def markup(text: str) -> dict[str, int]:
    """Counts marks of each kind, so that two texts of one form have the same counts."""
    return {name: len(pattern.findall(text)) for name, pattern in _MARKUP.items()}


def _joined(words: Sequence[str]) -> str:
    spaced = [re.match(f"[{_UNSPACED}]", word) is None for word in words]
    parts = [
        (" " if number and (spaced[number] or spaced[number - 1]) else "") + word
        for number, word in enumerate(words)
    ]
    return "".join(parts)
