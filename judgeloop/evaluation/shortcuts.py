"""Text-only rules that separate held-out answers, which a judge may learn instead of looking.

Each shortcut is a rule that sees only the texts. At one half it is uninformative; a rule that is
clearly below one half is as informative, in reverse.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Callable, Iterable

from judgeloop.method.filtering.blind import BlindJudge, has_preamble
from judgeloop.method.filtering.reasons import words_of
from judgeloop.schema.records import Pair
from judgeloop.schema.results import Shortcut

BUCKETS = 2**16
"""Number of hashed word counters, so that memory does not grow with the pairs."""
Pairs = Callable[[], Iterable[Pair]]
Lead = Callable[[str, str], float]
"""Positive if a rule prefers the first of two texts, negative for the second, 0 for neither."""


def shortcuts(pairs: Pairs) -> dict[str, Shortcut]:
    """Returns how often each rule prefers the chosen answer, of the pairs on which it decides.

    `longer`: the longer answer. `preamble`: the one that begins with a preamble such as "Sure".
    `more frequent wording`: the one whose own words are more frequent in all answers.
    `blind judge`: a regression on form and words, which learns from each pair after guessing.

    Args:
        pairs: Iterates over the pairs; called twice.
    """
    counts, blind = array("L", bytes(8 * BUCKETS)), BlindJudge()
    for pair in pairs():
        blind.add(pair)
        for word in [*words_of(pair.chosen), *words_of(pair.rejected)]:
            counts[_bucket(word)] += 1

    def frequent(one: str, other: str) -> float:
        mine, theirs = set(words_of(one)), set(words_of(other))
        return _mean(mine - theirs, counts) - _mean(theirs - mine, counts)

    rules: dict[str, Lead] = {
        "longer": lambda one, other: len(one) - len(other),
        "preamble": lambda one, other: has_preamble(one) - has_preamble(other),
        "more frequent wording": frequent,
    }
    guesses, right = dict.fromkeys(rules, 0), dict.fromkeys(rules, 0)
    for pair in pairs():
        for name, rule in rules.items():
            lead = rule(pair.chosen, pair.rejected)
            guesses[name] += lead != 0
            right[name] += lead > 0
    found = {name: Shortcut(guesses=guesses[name], right=right[name]) for name in rules}
    return found | {"blind judge": Shortcut(guesses=blind.guesses, right=blind.right)}


def _mean(words: Iterable[str], counts: array[int]) -> float:
    found = [counts[_bucket(word)] for word in words]
    return sum(found) / len(found) if found else 0.0


def _bucket(word: str) -> int:
    return zlib.crc32(word.encode()) % BUCKETS
