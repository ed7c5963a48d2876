"""Draws which of the kept judgements become examples, in a few bytes each.

A pair or a judgement is drawn by the hash of its id: no list of ids is needed. At most 41 bytes a
kept judgement are remembered, and none where the settings leave nothing to draw. Two hashes are
equal once in 2**53; such a couple is drawn together.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby

from judgeloop.method.filtering.sieve import needs_sieve
from judgeloop.schema.keys import fraction
from judgeloop.schema.method_sections import FilteringSection
from judgeloop.schema.records import Altered, Choice, Judgement, Pair

LETTERS = (Choice.A, Choice.B)
CAPS = ("pairs_per_kind", "pairs_per_error", "pairs_per_image")
_NO_GROUP = -1.0
"""Of a pair that a cap does not touch, such as one without a planted error."""

Group = list[int]
"""The places of one pair's judgements in the columns."""


def example_name(judgement: Judgement) -> str:
    """Returns the id of the example that a judgement makes."""
    return f"{judgement.pair_id}/{judgement.order}/{judgement.sample}"


class Subsampler:
    """Chooses examples: `add` all kept judgements, then `close`, then ask `includes`.

    First the caps drop whole pairs, then the limit and the balance of A and B drop the excess,
    always in the order of the hashes.

    Args:
        settings: Their caps, limit and whether orders are kept singly decide.
        seed: Decides with the ids.
    """

    def __init__(self, settings: FilteringSection, seed: int) -> None:
        caps: dict[str, int | None] = {name: getattr(settings, name) for name in CAPS}
        self._caps = {name: cap for name, cap in caps.items() if cap is not None}
        self._limit = settings.max_examples
        self._whole = (
            settings.both_orders and settings.traces_per_pair is None and not needs_sieve(settings)
        )
        # The unfiltered control is not balanced: it may have only one letter.
        self._balanced = settings.keep != "unfiltered" or not settings.both_orders
        self._draws = bool(self._caps) or self._limit is not None or not self._whole
        self._seed = seed
        self._pairs = array("d")
        self._names = array("d")
        self._is_b = bytearray()
        self._groups = {name: array("d") for name in self._caps}
        self._chosen: array[float]
        self.candidates = 0
        """Number of judgements that were added."""
        self.left_out: Counter[str] = Counter()
        """Judgements that are no examples, by reason; there after `close`."""

    def add(self, pair: Pair, kept: Iterable[Judgement]) -> None:
        """Adds a pair's kept judgements; each has a letter."""
        for judgement in kept:
            self.candidates += 1
            if not self._draws:
                continue
            self._pairs.append(fraction("cap", self._seed, pair.id))
            self._names.append(self._of_judgement(judgement))
            self._is_b.append(judgement.verdict.choice is Choice.B)
            for name, groups in self._groups.items():
                groups.append(_group_of(pair, name))

    def close(self) -> None:
        """Draws the subsample; nothing can be added afterwards."""
        if not self._draws:
            return
        self._chosen = array("d", sorted(self._names[at] for at in self._drawn()))
        del self._pairs, self._names, self._is_b, self._groups

    def includes(self, judgement: Judgement) -> bool:
        """Returns whether a kept judgement becomes an example."""
        if not self._draws:
            return True
        draw = self._of_judgement(judgement)
        place = bisect_left(self._chosen, draw)
        return place < len(self._chosen) and self._chosen[place] == draw

    def _drawn(self) -> Iterator[int]:
        places = array("q", (at for group in self._capped() for at in group))
        room = len(places) if self._limit is None else self._limit
        each, reason = room, "max_examples"
        if self._balanced:
            # Whole pairs say A as often as B; of single judgements so many of each letter fit.
            letters = self._letters(places)
            scarce = min(letters[False], letters[True])
            each = min(scarce, room // 2)
            if self._limit is None or scarce < room // 2:
                reason = "balance"
        return self._fitting(places, [each, each], room, reason)

    def _capped(self) -> Iterator[Group]:
        """Yields the pairs that remain after the caps, in the order of their hashes."""
        taken: dict[str, Counter[float]] = {name: Counter() for name in self._caps}
        for group in self._by_pair(self._by_hash()):
            of = {name: groups[group[0]] for name, groups in self._groups.items()}
            full = [name for name, cap in self._caps.items()
                    if of[name] != _NO_GROUP and taken[name][of[name]] >= cap]  # fmt: skip
            if full:
                self.left_out[full[0]] += len(group)
                continue
            for name, value in of.items():
                taken[name][value] += 1
            yield group

    def _fitting(
        self, places: array[int], room: list[int], total: int, reason: str
    ) -> Iterator[int]:
        """Yields the judgements that fit the limits, per letter and in total, pair by pair.

        The rest is counted as left out for `reason`.
        """
        for group in self._by_pair(places):
            size = self._letters(group)
            if self._whole and (
                len(group) > total or any(size[letter] > room[letter] for letter in size)
            ):
                self.left_out[reason] += len(group)
                continue
            for at in group:
                letter = self._is_b[at]
                if room[letter] and total:
                    room[letter] -= 1
                    total -= 1
                    yield at
                else:
                    self.left_out[reason] += 1

    def _letters(self, places: Iterable[int]) -> Counter[int]:
        return Counter(self._is_b[at] for at in places)

    def _by_hash(self) -> Iterator[int]:
        """Yields all places: pairs and then their judgements in the order of their hashes."""
        import numpy as np

        yield from np.lexsort((np.array(self._names), np.array(self._pairs)))

    def _by_pair(self, places: Iterable[int]) -> Iterator[Group]:
        """Yields places that are in the order of the hashes, a pair's at a time."""
        return (list(group) for _, group in groupby(places, key=self._pairs.__getitem__))

    def _of_judgement(self, judgement: Judgement) -> float:
        return fraction("balance", self._seed, example_name(judgement))


def _group_of(pair: Pair, cap: str) -> float:
    """Returns a number for the group in which a cap counts a pair."""
    match cap:
        case "pairs_per_kind":
            return fraction(pair.question.kind)
        case "pairs_per_error":
            return fraction(pair.origin.error) if isinstance(pair.origin, Altered) else _NO_GROUP
    return fraction(pair.question.images[0]) if pair.question.images else _NO_GROUP
