"""Finds texts that nearly repeat an earlier one, in time linear in the number of texts.

A text is compared only with earlier ones that share a band of its MinHash signature, `COMPARED` of
each band at most: with those that may be near, not with all. Source of MinHash in bands: Leskovec,
Rajaraman and Ullman, "Mining of Massive Datasets", chapter 3.
"""

from __future__ import annotations

import zlib
from itertools import count, pairwise
from typing import TYPE_CHECKING, Protocol

from judgeloop.method.synthesis.difference import similarity

if TYPE_CHECKING:
    import numpy as np

BANDS = 12
ROWS = 2
"""With 12 bands of 2 hashes, .99 of the texts that share .6 of their word pairs share a band."""
COMPARED = 8
"""Earlier texts of a band that a text is compared with."""
_SEED = 2_512


class Memory(Protocol):
    """Holds texts by key, such as `judgeloop.store.disk_dict.DiskDict`."""

    def get(self, key: str) -> str | None:
        """Returns a key's value, None where there is none."""

    def add(self, key: str, value: str) -> bool:
        """Adds a key."""

    def __setitem__(self, key: str, value: str) -> None:
        """Replaces the value of a key that was added."""


class NearDuplicates:
    """Detects texts that nearly repeat an earlier one.

    Args:
        threshold: Texts with at least this share of their words in common, in order, are near
            duplicates: 0 to 1.
        memory: Empty; gets the texts and their bands.
    """

    def __init__(self, threshold: float, memory: Memory) -> None:
        self._threshold = threshold
        self._memory = memory
        self._names = map(str, count())

    def repeats(self, words: list[str]) -> bool:
        """Returns whether a text nearly repeats an earlier one; one that does not is remembered."""
        bands = _bands(words)
        near = {name for band in bands for name in (self._memory.get(band) or "").split()}
        texts = ((self._memory.get(name) or "").split() for name in near)
        if any(similarity(words, text) >= self._threshold for text in texts):
            return True
        self._remember(words, bands)
        return False

    def _remember(self, words: list[str], bands: list[str]) -> None:
        name = next(self._names)
        self._memory.add(name, " ".join(words))
        for band in bands:
            known = self._memory.get(band)
            if known is None:
                self._memory.add(band, name)
            elif known.count(" ") + 1 < COMPARED:
                self._memory[band] = f"{known} {name}"


def _bands(words: list[str]) -> list[str]:
    """Returns the bands of a text's signature as keys."""
    import numpy as np

    pairs = {f"{one} {other}" for one, other in pairwise(words)} or {*words, ""}
    hashes = np.array([zlib.crc32(pair.encode()) for pair in pairs], dtype=np.uint64)
    factors, terms = _permutations()
    signature = ((hashes[:, None] * factors + terms) >> np.uint64(32)).min(axis=0)
    return [f"{at}:{band}" for at, band in enumerate(signature.reshape(BANDS, ROWS).tolist())]


def _permutations() -> np.ndarray:
    """Returns the factors and the terms of multiply-add-shift hashing, the same in every run."""
    import numpy as np

    rng = np.random.default_rng(_SEED)
    return rng.integers(2**63, size=(2, BANDS * ROWS), dtype=np.uint64)
