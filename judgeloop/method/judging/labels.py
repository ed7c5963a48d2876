"""The labels that a prompt gives the two answers, and the ways in which a judge writes them."""

from __future__ import annotations

import re
from functools import cached_property, lru_cache
from typing import NamedTuple

NOUNS = (
    r"(?:answer|response|assistant|candidate|reply|solution|output|completion|caption|description"
    r"|text|model|antwort|respuesta|réponse|resposta|risposta|ответ|回答|答案|回复|回复内容|응답|답변)"
)
"""Nouns for what is judged; a judge may use another one than the prompt."""
_NOUN_AND_NAME = re.compile(rf"({NOUNS})\s+(\S+)", re.IGNORECASE)
ARTICLE = r"(?:(?:the|la|el|die|der|le|il|a(?=\s+resposta))\s+|l['’]\s?)"
"""Articles before a noun."""
_UNSPACED = "[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]"
"""Letters of Chinese, Japanese and Korean, which follow a label without a space."""
_CLOSING_QUOTES = tuple("\"'”’」』»")
_ARTICLES = {"a", "i", "o", "e", "y"}
"""One-letter labels that are also words, in lower case: alone they are never read as a label."""


class Mention(NamedTuple):
    """A label at the beginning of a text."""

    side: int
    """0 or 1."""
    has_noun: bool
    is_word: bool
    """It is spelled like an article, so it may not be a label."""
    rest: str


class Labels:
    """Two labels and their patterns; `of` caches instances.

    Args:
        labels: The labels of the first and the second answer.

    Raises:
        ValueError: They are not two different names.
    """

    def __init__(self, labels: tuple[str, ...]) -> None:
        names = [" ".join(str(label).split()) for label in labels]
        if len(names) != 2 or not all(names) or names[0].casefold() == names[1].casefold():
            raise ValueError(f"labels must be two different names, not {labels!r}")
        found = [match for name in names if (match := _NOUN_AND_NAME.fullmatch(name))]
        self.needs_noun = len(found) == 2 and found[0][1].casefold() == found[1][1].casefold()
        """`1` of `Response 1` is read with its noun only: alone it may be an option or a count."""
        if self.needs_noun:
            names = [match[2] for match in found]
        self.names = tuple(names)
        self._sides = {name.casefold(): side for side, name in enumerate(names)}

    @staticmethod
    @lru_cache(maxsize=64)
    def of(labels: tuple[str, ...]) -> Labels:
        """Returns the labels of these names."""
        return Labels(labels)

    @cached_property
    def pattern(self) -> str:
        """One of the labels as a whole word; group `label` is not set, since it may come twice."""
        either = "|".join(re.escape(name) for name in sorted(self.names, key=len, reverse=True))
        return rf"(?:{either})(?:(?={_UNSPACED})|(?![\w+#°'’]|-\w|[.,]\d))"

    @cached_property
    def named(self) -> str:
        """A noun and a label, such as `Answer A`."""
        return rf"(?<!\w){NOUNS}\s{{0,3}}[#:(\[]{{0,2}}\s?(?:{self.pattern})"

    @cached_property
    def _start(self) -> re.Pattern[str]:
        return re.compile(
            rf"(?:{ARTICLE}?(?P<noun>{NOUNS})\s{{0,3}}[#:]?\s{{0,3}})?"
            rf"(?P<open>[\[({{<\"'“‘「『【*]{{0,4}})\s?"
            rf"(?:(?P<inner>{NOUNS})\s{{0,3}})?(?P<label>{self.pattern})"
            r"(?P<close>(?:\s?[\])}>\"'”’」』】*]){0,4})",
            re.IGNORECASE,
        )

    @cached_property
    def anywhere(self) -> re.Pattern[str]:
        """Finds a label as a word of its own, written as it is named, or after a noun."""
        if self.needs_noun:
            return re.compile(self.named, re.IGNORECASE)
        return re.compile(rf"{self.named}|(?<![\w'’-])(?-i:{self.pattern})", re.IGNORECASE)

    def mention(self, text: str) -> Mention | None:
        """Reads a label, with or without a noun, at the beginning of a text."""
        match = self._start.match(text)
        if match is None:
            return None
        label, opened = match["label"], len(match["open"].strip())
        closing = match["close"].lstrip()
        unopened = closing[opened:] if len(closing.replace(" ", "")) > opened else ""
        if unopened.startswith(_CLOSING_QUOTES):
            return None  # a quotation ends here that began before
        has_noun = match["noun"] is not None or match["inner"] is not None
        if self.needs_noun and not has_noun:
            return None
        is_word = not has_noun and not match["open"] and label in _ARTICLES
        side = self._sides[label.casefold()]
        return Mention(side, has_noun, is_word, unopened + text[match.end() :])

    def mentioned(self, text: str) -> set[int]:
        """Returns which of the two a text names."""
        found = set()
        for match in self.anywhere.finditer(text):
            for side, name in enumerate(self.names):
                if match[0].casefold().endswith(name.casefold()):
                    found.add(side)
        return found
