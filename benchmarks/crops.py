"""Does a crop-resistant hash find crops of images, and how many other images does it refuse?

```
python -m benchmarks.crops ../shared/data [--every 8]
```

Every n-th image below the folder (`--every`) is cropped to its middle and compared with the
uncropped ones by `imagehash.crop_resistant_hash` ("Efficient Cropping-Resistant Robust Image
Hashing", DOI 10.1109/ARES.2014.85): hashes of an image's bright and dark regions. Two images match
if a given number of regions of one are in the other, each with at most a given share of wrong bits.
The guard's own hash is measured too. An image that matches any other counts as a false refusal;
with more images there would be more.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from benchmarks.contamination import SUFFIXES, cropped
from judgeloop.cli.table import table
from judgeloop.data.contamination import MAX_DISTANCE, perceptual_hash
from judgeloop.runtime.redaction import hide_secrets

SHARES = (0.9, 0.75, 0.5)
"""Shares of width and height that are left."""
RULES = ((1, 0.25), (1, 0.1), (2, 0.25), (2, 0.1), (3, 0.1))
"""Regions that must match, and the share of their bits that may be wrong; the first is the default
of `imagehash`."""
OURS = (MAX_DISTANCE, 40, 72)
"""Bits of 256 for the guard's hash."""


class Found(NamedTuple):
    """The figures of one rule."""

    rule: str
    recall: tuple[float, ...]
    """Share of the crops that match their own image, by size of the crop."""
    refused: float
    """Share of the images that match another one."""


def region_hashes(image: Image.Image) -> np.ndarray:
    """Returns the hashes of an image's regions, shape (regions, 64), as bits."""
    import imagehash

    found = imagehash.crop_resistant_hash(image).segment_hashes
    return np.stack([each.hash.ravel() for each in found])


def matching(one: np.ndarray, other: np.ndarray, wrong: float) -> int:
    """Returns the number of one image's regions that are in another, as `hash_diff` counts them."""
    apart = (one[:, None, :] != other[None]).sum(axis=2).min(axis=1)
    return int((apart <= wrong * one.shape[1]).sum())


def measure(images: Sequence[Image.Image]) -> tuple[list[Found], float]:
    """Returns the figures of each rule on these images, and the seconds per crop-resistant hash."""
    started = time.process_time()
    regions = [region_hashes(image) for image in images]
    seconds = (time.process_time() - started) / len(images)
    crops = {share: [region_hashes(cropped(image, share)) for image in images] for share in SHARES}
    found = []
    for needed, wrong in RULES:
        recall = tuple(
            _mean(matching(crop, whole, wrong) >= needed
                  for crop, whole in zip(crops[share], regions, strict=True))
            for share in SHARES
        )  # fmt: skip
        refused = _mean(
            any(matching(one, other, wrong) >= needed
                for place, other in enumerate(regions) if place != at)
            for at, one in enumerate(regions)
        )  # fmt: skip
        name = f"{needed} region{'s' * (needed > 1)}, {wrong:.0%} of the bits wrong"
        found.append(Found(name, recall, refused))
    return [*found, *_ours(images)], seconds


def _ours(images: Sequence[Image.Image]) -> list[Found]:
    whole = [perceptual_hash(image) for image in images]
    crops = {
        share: [perceptual_hash(cropped(image, share)) for image in images] for share in SHARES
    }

    def apart(one: np.ndarray | None, other: np.ndarray | None) -> int:
        return 256 if one is None or other is None else int(np.bitwise_count(one ^ other).sum())

    return [
        Found(
            f"the guard's hash, {limit} of 256 bits",
            tuple(_mean(apart(crop, own) <= limit
                        for crop, own in zip(crops[share], whole, strict=True))
                  for share in SHARES),
            _mean(any(apart(one, other) <= limit
                      for place, other in enumerate(whole) if place != at)
                  for at, one in enumerate(whole)),
        )
        for limit in OURS
    ]  # fmt: skip


def _mean(hits: object) -> float:
    return float(np.mean(list(hits)))  # type: ignore[call-overload]


def main() -> None:
    """Prints the table."""
    hide_secrets("%(message)s", "WARNING")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=8)
    options = parser.parse_args()
    files = sorted(p for p in options.folder.glob("*/images/*") if p.suffix in SUFFIXES)
    files = files[:: options.every]
    found, seconds = measure([Image.open(file).convert("RGB") for file in files])
    heads = ("rule", *(f"crop to {share:.2f}" for share in SHARES), "other images refused")
    rows = [(each.rule, *(f"{value:.3f}" for value in (*each.recall, each.refused)))
            for each in found]  # fmt: skip
    print(f"{len(files)} images; a crop-resistant hash takes {seconds:.2f} s of a core")
    print("\n".join(table(heads, rows)))


if __name__ == "__main__":
    main()
