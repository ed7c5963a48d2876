"""Extracts the reasoning from a judgement: not its verdict, nor sentences that many share."""

from __future__ import annotations

import re
import zlib
from array import array
from collections.abc import Iterable

from judgeloop.method.synthesis.difference import segments
from judgeloop.schema.records import Judgement, Pair

BUCKETS = 2**20
"""Counters of sentences, by hash: memory does not grow with the traces."""
FEW = 5
"""Pairs that may always have a sentence in common: among few pairs these are a large share, and no
sign of a habit."""
NAMES = 3
"""Letters of a word of an answer by which a reason can name it; shorter ones are in any text."""
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")


def reason_of(text: str) -> str:
    """Returns a judgement's text without its verdict: the last line, or of one line the last word.

    Reasons on the same line as the verdict are removed with it, so the result may be too short, but
    never too long.
    """
    lines = [line for line in text.strip().splitlines() if line.strip()]
    if len(lines) > 1:
        return "\n".join(lines[:-1])
    return " ".join(text.split()[:-1])


def words_of(text: str) -> list[str]:
    """Returns the words of a text and the characters of unspaced scripts, in lower case."""
    return [word.lower() for word in segments(text) if word[0].isalnum()]


def names_an_answer(reason: str, pair: Pair) -> bool:
    """Returns whether a reason has a word in which the two answers differ, or else any of theirs.

    A number and a character of an unspaced script count as words, others from `NAMES` letters on.
    """
    one, other = set(words_of(pair.chosen)), set(words_of(pair.rejected))
    telling = set(filter(_tells, one ^ other)) or set(filter(_tells, one))
    return not telling or bool(telling & set(words_of(reason)))


def _tells(word: str) -> bool:
    return len(word) >= NAMES or not word.isascii() or word[0].isdigit()


class SharedSentences:
    """Counts the pairs in whose traces each sentence occurs, to find sentences that too many share.

    A sentence counts once per pair: traces of one pair are about the same image, and so share
    sentences about it.

    Args:
        share: A sentence is boilerplate if more than this share of the pairs, and more than `FEW`,
            have it. So the share decides from `FEW / share` pairs on.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._counts = array("I", [0]) * BUCKETS
        self._pairs = 0

    def add(self, kept: Iterable[Judgement]) -> None:
        """Counts the sentences of a pair's traces; without any it is no pair."""
        texts = [judgement.text for judgement in kept]
        self._pairs += bool(texts)
        for bucket in {_bucket(part) for text in texts for part in _sentences(reason_of(text))}:
            self._counts[bucket] += 1

    def without(self, reason: str) -> str:
        """Returns a reason without the sentences that too many share."""
        most = max(FEW, self._share * self._pairs)
        return " ".join(part for part in _sentences(reason) if self._counts[_bucket(part)] <= most)


def _sentences(text: str) -> list[str]:
    return [part for part in _SENTENCE_END.split(text) if words_of(part)]


def _bucket(sentence: str) -> int:
    return zlib.crc32(" ".join(words_of(sentence)).encode()) % BUCKETS
