"""Keeps texts from data and models from being read as control tokens.

A tokenizer turns `<|im_end|>` or `<image>` within a text into the token itself, so that a question
or an answer could end the turn, begin another, or stand for an image that is not there. Before a
text is tokenized, a space is inserted into each such mark: `< |im_end|>`.

Which marks are changed affects prompts, so `RULE` enters every content key of an engine's or a
trainer's work; the tokenizer itself is part of the model's identity.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from judgeloop.schema.keys import content_key

MAX_ROUNDS = 4
_KNOWN = (
    r"<[|\uff5c][^|\uff5c<>\s]{1,40}[|\uff5c]>|</?s>|\[/?(?:INST|IMG|IMG_END|IMG_BREAK)\]"
    r"|</?(?:image|img|video|audio|vision|pad|bos|eos|unk|mask|eot|eom|box|ref|quad|point)>"
    r"|<(?:start|end)_of_(?:turn|image|utterance)>|<(?:image|audio)_soft_token>|<end_of_utterance>"
    r"|<fake_token_around_image>|<global-img>|<row_\d{1,3}_col_\d{1,3}>|<image_placeholder>"
    r"|<IMG_CONTEXT>|<\|?dummy[^<>\s]{0,20}>|<image_?\d{1,3}>|<unused\d{1,5}>|<(?:box|ref)_(?:start|end)>"
)
"""Marks of the common families, for services whose tokenizer is not known."""
_THINKING = ("<think>", "</think>")
_ROLES = (*_THINKING, *("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"))
"""Tokens that templates use for roles, and that a tokenizer may not list as special."""
_NAMES = ("image_token", "video_token", "audio_token", "boi_token", "eoi_token", "fake_image_token")


class ControlTokens:
    """The control tokens of a tokenizer.

    Args:
        tokens: Their texts; the marks of the common families are always added.
    """

    def __init__(self, tokens: Iterable[str] = ()) -> None:
        found = sorted({token for token in tokens if len(token) > 1}, key=lambda t: (-len(t), t))
        self._pattern = _pattern(found)
        self._answer_pattern = _pattern(token for token in found if token not in _THINKING)

    @classmethod
    def of(cls, processor: Any) -> ControlTokens:
        """Returns those of a model's processor: special tokens, roles and media placeholders."""
        tokenizer = getattr(processor, "tokenizer", processor)
        added = getattr(tokenizer, "added_tokens_decoder", {}).values()
        tokens = {
            str(token.content)
            for token in added
            if token.special or str(token.content).strip() in _ROLES
        }
        tokens |= set(map(str, getattr(tokenizer, "all_special_tokens", ())))
        tokens |= {
            str(mark)
            for holder in (processor, tokenizer)
            for name in _NAMES
            if isinstance(mark := getattr(holder, name, None), str)
        }
        return cls(token.strip() for token in tokens)

    def defused(self, text: str) -> str:
        """Returns the text with a space in every control token; the rest is unchanged."""
        return _defused(self._pattern, text)

    def defused_answer(self, text: str) -> str:
        """Does the same for a model's own text, except for its marks of thinking."""
        return _defused(self._answer_pattern, text)


def _pattern(tokens: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join([*map(re.escape, tokens), _KNOWN]))


def _defused(pattern: re.Pattern[str], text: str) -> str:
    for _ in range(MAX_ROUNDS):
        text, count = pattern.subn(lambda match: f"{match[0][0]} {match[0][1:]}", text)
        if not count:
            return text
    return pattern.sub("", text)


RULE = content_key(_KNOWN, _ROLES, _NAMES, MAX_ROUNDS)
"""Version of the rule; it changes when other texts are affected."""
