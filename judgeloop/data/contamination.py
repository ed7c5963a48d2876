"""Keeps evaluation data out of training: finds questions whose image or prompt a benchmark has.

Images are compared by their bytes and by a perceptual hash, which survives another encoding and
another size; prompts by long runs of words, regardless of case and punctuation. A benchmark's
answers are not read.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from judgeloop.schema.errors import DataError
from judgeloop.store.checksums import sha256_bytes
from judgeloop.store.images import decode_image

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

HASH_SIDE = 16
"""Side of the perceptual hash: 16 x 16 bits."""
MAX_DISTANCE = 20
"""Bits, of 256, in which a copy may differ, as measured by `python -m benchmarks.contamination`."""
WORDS = 8
"""Length of the runs of words that are compared; a shorter prompt is never refused by its text."""
SHARED = 0.6
"""Share of a prompt's runs that a benchmark must have for the prompt to count as repeated."""
TEMPLATE = 3
"""Number of a benchmark's images from which on a run of words counts as a question template."""
_MAX_PIXELS = 1_000_000
"""Pixels of an image that is hashed; a larger one is scaled down first."""
_WORD = re.compile(r"\w+")


class BenchmarkItem(msgspec.Struct, frozen=True):
    """An item of a benchmark, without its answers."""

    name: str
    """Name of the item, for messages: `vl-rewardbench: item 3`."""
    prompt: str
    images: tuple[bytes, ...]


class Guard:
    """Finds the benchmark item whose image or prompt a question repeats.

    Args:
        items: Items of the benchmarks that will be evaluated; iterated once.
    """

    def __init__(self, items: Iterable[BenchmarkItem]) -> None:
        self._exact: dict[str, str] = {}
        self._names: list[str] = []
        hashes: list[np.ndarray] = []
        runs: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for item in items:
            digests = [sha256_bytes(data) for data in item.images]
            for digest, data in zip(digests, item.images, strict=True):
                if digest in self._exact:
                    continue
                self._exact[digest] = item.name
                bits = hash_bytes(data)
                if bits is not None:
                    hashes.append(bits)
                    self._names.append(item.name)
            for run in word_runs(item.prompt):
                runs[run][digests[0] if digests else item.name] = item.name
        self._hashes = _stacked(hashes)
        self._runs = {
            run: next(iter(found.values())) for run, found in runs.items() if len(found) < TEMPLATE
        }

    def repeated_image(self, data: bytes) -> str | None:
        """Says which item has this image; None if no item has it.

        Args:
            data: The encoded image.
        """
        digest = sha256_bytes(data)
        if digest in self._exact:
            return f"{self._exact[digest]} has the same image"
        bits = hash_bytes(data) if self._names else None
        if bits is None:
            return None
        import numpy as np

        distances = np.bitwise_count(self._hashes ^ bits).sum(axis=1)
        nearest = int(distances.argmin())
        if distances[nearest] > MAX_DISTANCE:
            return None
        return f"{self._names[nearest]} has this image in another encoding or size"

    def repeated_prompt(self, text: str) -> str | None:
        """Says which item has this prompt; None if no item has it."""
        runs = word_runs(text)
        found = [self._runs[run] for run in runs if run in self._runs]
        if not runs or len(found) < SHARED * len(runs):
            return None
        return f"{found[0]} has this prompt"


def word_runs(text: str) -> list[str]:
    """Returns the runs of `WORDS` words of a text, case and punctuation left out."""
    words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    return [" ".join(words[at : at + WORDS]) for at in range(len(words) - WORDS + 1)]


def perceptual_hash(image: Image.Image) -> np.ndarray | None:
    """Returns the bits of an image's hash as bytes; None for an image of a single color."""
    import imagehash
    import numpy as np

    gray = image.convert("L")
    low, high = gray.getextrema()
    if low == high:
        return None
    return np.packbits(imagehash.phash(gray, hash_size=HASH_SIDE).hash)


def hash_bytes(data: bytes) -> np.ndarray | None:
    """Returns the hash of an encoded image; None where it cannot be decoded."""
    try:
        return perceptual_hash(decode_image(data, _MAX_PIXELS))
    except DataError:
        return None


def _stacked(hashes: list[np.ndarray]) -> np.ndarray:
    import numpy as np

    return np.stack(hashes) if hashes else np.zeros((0, HASH_SIDE**2 // 8), np.uint8)
