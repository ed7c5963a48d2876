"""Draws which of the kept judgements become examples, in a few bytes each.

A pair or a judgement is drawn by the hash of its id, so that what is drawn is known by a threshold
and no list of ids is needed: 16 bytes a kept judgement are remembered, and none where the settings
leave nothing to draw. Two hashes are equal once in 2**53; such a couple is drawn together.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from itertools import groupby

from judgeloop.schema.config import FilteringSection
from judgeloop.schema.keys import fraction
from judgeloop.schema.records import Choice, Judgement

LETTERS = (Choice.A, Choice.B)


def example_name(judgement: Judgement) -> str:
    """Returns the id of the example that a judgement makes."""
    return f"{judgement.pair_id}/{judgement.order}/{judgement.sample}"


class Subsampler:
    """Chooses examples: `add` all kept judgements, then `close`, then ask `includes`.

    Args:
        settings: Where orders are kept singly, equal numbers of A and B are drawn; above
            `max_examples` whole pairs are left out.
        seed: Decides with the ids.
    """

    def __init__(self, settings: FilteringSection, seed: int) -> None:
        self._balanced = not settings.both_orders
        self._limit = settings.max_examples
        self._seed = seed
        self._judgements = {letter: array("d") for letter in LETTERS}
        self._pairs = {letter: array("d") for letter in LETTERS}
        self._last = dict.fromkeys(LETTERS, 1.0)
        self._chosen = array("d")
        self.candidates = 0
        """Number of judgements that were added."""

    def add(self, kept: Iterable[Judgement]) -> None:
        """Adds kept judgements; each has a letter."""
        for judgement in kept:
            self.candidates += 1
            letter = judgement.verdict.choice
            if self._balanced:
                self._judgements[letter].append(self._of_judgement(judgement))
            if self._limit is not None:
                self._pairs[letter].append(self._of_pair(judgement))

    def close(self) -> None:
        """Draws the subsample; nothing can be added afterwards."""
        if self._balanced:
            count = min(map(len, self._judgements.values()))
            for letter, draws in self._judgements.items():
                self._last[letter] = sorted(draws)[count - 1] if count else -1.0
        if self._limit is not None:
            self._chosen = self._draw_pairs(self._limit)
        self._judgements, self._pairs = {}, {}

    def includes(self, judgement: Judgement) -> bool:
        """Returns whether a kept judgement becomes an example."""
        if self._balanced:
            last = self._last[judgement.verdict.choice]
            if self._of_judgement(judgement) > last:
                return False
        if self._limit is None:
            return True
        draw = self._of_pair(judgement)
        place = bisect_left(self._chosen, draw)
        return place < len(self._chosen) and self._chosen[place] == draw

    def _draw_pairs(self, limit: int) -> array[float]:
        """Returns the pairs that are taken: in the order of their hashes, each that still fits."""
        left = sorted(
            pair
            for letter, pairs in self._pairs.items()
            for at, pair in enumerate(pairs)
            if not self._balanced or self._judgements[letter][at] <= self._last[letter]
        )
        chosen, total = array("d"), 0
        for pair, members in groupby(left):
            size = sum(1 for _ in members)
            if total + size <= limit:
                chosen.append(pair)
                total += size
        return chosen

    def _of_judgement(self, judgement: Judgement) -> float:
        return fraction("balance", self._seed, example_name(judgement))

    def _of_pair(self, judgement: Judgement) -> float:
        return fraction("cap", self._seed, judgement.pair_id)
