"""Removes wrappers from model output: thinking, control tokens, invisible characters."""

from __future__ import annotations

import re
import unicodedata

_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_THINKING = re.compile(
    r"<(?P<close>/)?(?:think(?:ing)?|thought|reasoning|reflection|scratchpad|analysis)>"
    r"|\[(?P<close2>/)?THINK\]|◁(?P<close3>/)?think▷"
    r"|<\|(?:begin|(?P<close4>end))_of_thought\|>",
    re.IGNORECASE,
)
_FINAL_CHANNEL = "<|channel|>final<|message|>"
_CONTROL = re.compile(
    r"<[|｜][^|｜<>\n]{1,40}[|｜]>|</?s>|\[/?INST\]"
    r"|<(?:eos|bos|pad|eot|end_of_turn|start_of_turn|end_of_utterance)>"
)


def visible(text: str) -> str:
    r"""Returns the text without characters that have no visible effect, and with `\\n` for lines.

    Joiners (U+200C, U+200D) stay: in Persian and Hindi, and in emoji, they are seen.
    """
    return _INVISIBLE.sub("", text).replace("\r\n", "\n").replace("\r", "\n")


def compatible(text: str) -> str:
    """Returns the text in the normal form NFKC: full width, ligatures, accents in one way."""
    return unicodedata.normalize("NFKC", text)


def without_control_tokens(text: str) -> str:
    """Replaces control tokens that a service left in the text by line breaks."""
    return _CONTROL.sub("\n", text)


def without_thinking(text: str) -> str | None:
    """Leaves out blocks of thinking; None if one is never closed.

    What stands before a closing tag that nothing opens is thinking too: the prompt had opened it.
    """
    text = text.rpartition(_FINAL_CHANNEL)[2]
    kept: list[str] = []
    start, depth = 0, 0
    for tag in _THINKING.finditer(text):
        if not any(tag.group("close", "close2", "close3", "close4")):
            if depth == 0:
                kept.append(text[start : tag.start()])
            depth += 1
            continue
        if depth == 0:
            kept = []
        depth, start = max(0, depth - 1), tag.end()
    if depth or "<|channel|>analysis" in text:
        return None
    return "\n".join([*kept, text[start:]])
