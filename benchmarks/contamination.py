"""How many copies of images does the guard find, and how many other images does it refuse?

```
python -m benchmarks.contamination ../shared/data
```

Every image below the folder is changed in each way and compared with the unchanged ones. A copy
within the limit counts as found; an image with another image within the limit counts as a false
refusal. Distances are bits of 256.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from judgeloop.cli.table import table
from judgeloop.data.contamination import MAX_DISTANCE, perceptual_hash
from judgeloop.runtime.redaction import hide_secrets

LIMITS = (8, 12, 16, 20, 24, 32, 40, 56, 72)
SUFFIXES = (".png", ".jpg")


def encoded(image: Image.Image, quality: int) -> Image.Image:
    """Returns an image after JPEG compression."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def resized(image: Image.Image, factor: float) -> Image.Image:
    """Returns an image in another size."""
    return image.resize((round(image.width * factor), round(image.height * factor)))


def cropped(image: Image.Image, share: float) -> Image.Image:
    """Returns the middle of an image: that share of its width and height."""
    width, height = round(image.width * share), round(image.height * share)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG, quality 50": lambda image: encoded(image, 50),
    "half size": lambda image: resized(image, 0.5),
    "half size, JPEG 50": lambda image: encoded(resized(image, 0.5), 50),
    "crop to 0.98": lambda image: cropped(image, 0.98),
    "crop to 0.95": lambda image: cropped(image, 0.95),
    "crop to 0.90": lambda image: cropped(image, 0.90),
    "crop to 0.80": lambda image: cropped(image, 0.80),
}


def main() -> None:
    """Prints the table."""
    hide_secrets("%(message)s", "WARNING")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    files = sorted(path for path in folder.glob("*/images/*") if path.suffix in SUFFIXES)
    images = [Image.open(file).convert("RGB") for file in files]
    hashes = np.stack([bits for image in images if (bits := perceptual_hash(image)) is not None])
    apart = np.bitwise_count(hashes[:, None, :] ^ hashes[None]).sum(axis=2).astype(int)
    np.fill_diagonal(apart, 256)
    rows = []
    for name, change in CHANGES.items():
        copies = np.stack([perceptual_hash(change(image)) for image in images])
        distances = np.bitwise_count(copies ^ hashes).sum(axis=1)
        rows.append((name, *(f"{np.mean(distances <= limit):.3f}" for limit in LIMITS)))
    nearest = apart.min(axis=1)
    false = (f"{np.mean(nearest <= limit):.3f}" for limit in LIMITS)
    rows.append(("other images refused", *false))
    print(f"{len(files)} images, limit of the guard {MAX_DISTANCE} bits; share found by limit:")
    print("\n".join(table(("change", *map(str, LIMITS)), rows)))


if __name__ == "__main__":
    main()
