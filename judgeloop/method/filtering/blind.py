"""A blind judge, which sees neither image nor question: it detects give-aways in rejected answers.

Kept pairs teach the judge to look at the picture only if nothing else tells which answer is the
rejected one. A logistic regression guesses that from the texts alone (which is longer, has more
markup, a preamble, which words only one of them has); it learns from each pair after guessing at
it, so that its accuracy is that of new pairs. At chance, nothing gives them away.
"""

from __future__ import annotations

import math
import re
import zlib
from collections import defaultdict
from operator import sub

from judgeloop.method.synthesis.difference import markup, segments
from judgeloop.schema.keys import fraction
from judgeloop.schema.records import Pair

WARM_UP = 50
"""Pairs that are only learned from, before the first guess."""
MIN_PAIRS = 100
"""Guesses below which no warning is given."""
BUCKETS = 2**14
"""Weights of words, by hash, so that memory does not grow with the pairs."""
RATE = 0.2
MAX_WORDS = 400
"""Number of segments of an answer that are read."""
_PREAMBLE = re.compile(
    r"\A\W*(?:sure|certainly|of course|okay|here (?:is|are)|here's|answer)\b", re.I
)
_ENDING = re.compile(r"[.!?。！？]\W*\Z")


class BlindJudge:
    """Guesses which answer of each pair is the rejected one; `guesses` and `right` count."""

    def __init__(self) -> None:
        self.guesses = 0
        self.right = 0
        self._seen = 0
        self._weights = [0.0] * BUCKETS
        self._cues: defaultdict[int, float] = defaultdict(float)

    def add(self, pair: Pair) -> None:
        """Guesses at a pair, then learns from it."""
        is_first = fraction("blind", pair.id) < 0.5
        one, other = (pair.rejected, pair.chosen) if is_first else (pair.chosen, pair.rejected)
        cues, words = _cues(one, other), _words(one, other)
        score = sum(self._cues[at] * value for at, value in cues.items())
        score += sum(self._weights[bucket] * value for bucket, value in words.items())
        self._seen += 1
        if self._seen > WARM_UP:
            self.guesses += 1
            says_first = score > 0 or (score == 0 and fraction("blind tie", pair.id) < 0.5)
            self.right += says_first == is_first
        error = is_first - 1 / (1 + math.exp(-max(-30.0, min(30.0, score))))
        for at, value in cues.items():
            self._cues[at] += RATE * error * value
        for bucket, value in words.items():
            self._weights[bucket] += RATE * error * value


def has_preamble(text: str) -> bool:
    """Returns whether an answer begins with a word such as "Sure" or "Here is"."""
    return _PREAMBLE.match(text) is not None


def _cues(one: str, other: str) -> dict[int, float]:
    """Returns of which features of form one answer has more, by 1, and of which less, by -1."""
    leads = enumerate(map(sub, _form(one), _form(other)))
    return {at: math.copysign(1, lead) for at, lead in leads if lead}


def _form(text: str) -> tuple[int, ...]:
    """Measures length, words, a capital, digits, a full stop, a preamble and markup."""
    return (
        len(text),
        len(text.split()),
        text[:1].isupper(),
        sum(map(str.isdigit, text)),
        bool(_ENDING.search(text[-9:])),
        has_preamble(text),
        *markup(text).values(),
    )


def _words(one: str, other: str) -> dict[int, float]:
    """Returns the hashed words that only one of the answers has, with 1 or -1."""
    first = {word.lower() for word in segments(one)[:MAX_WORDS]}
    second = {word.lower() for word in segments(other)[:MAX_WORDS]}
    found = {_bucket(word): 1.0 for word in sorted(first - second)}
    return found | {_bucket(word): -1.0 for word in sorted(second - first)}


def _bucket(word: str) -> int:
    return zlib.crc32(word.encode()) % BUCKETS
