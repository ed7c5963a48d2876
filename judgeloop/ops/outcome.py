"""The outcome of a loop for people: what was decided, and how to ask the judge."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import msgspec

from judgeloop.runtime.ledger import BASE_ITERATION, Ledger
from judgeloop.schema.config import Config
from judgeloop.schema.records import Pair
from judgeloop.schema.results import Promotion
from judgeloop.store.shards import read_records

SAMPLES = 3


class Outcome(msgspec.Struct, frozen=True):
    """How a loop ended."""

    promoted: bool
    sentence: str
    """The gate's decision and its reason."""
    judge: str | None
    """Address of the judge to ask: the champion, else the loop's own version; None without any."""


class Sample(msgspec.Struct, frozen=True):
    """A held-out pair that a person can ask the judge about."""

    images: tuple[Path, ...]
    question: str
    a: str
    b: str


def read_outcome(ledger: Ledger, config: Config) -> Outcome | None:
    """Reads the decision of the loop's promotion; None if there is none yet.

    Raises:
        StoreError, DataError: The ledger cannot be read.
    """
    manifests = [manifest for each in ledger.manifests("promote").values() for manifest in each]
    if not manifests:
        return None
    found = manifests[-1].expect(Promotion)
    name, version = config.registry.model_name, found.candidate_version
    promoted = found.gate.decision == "promote"
    said = "no version was promoted"
    if version:
        said = f"version {version} {'is the champion now' if promoted else 'was not promoted'}"
    judge = f"models:/{name}/{version}" if version else None
    if promoted or found.champion_version:
        judge = f"models:/{name}@champion"
    return Outcome(promoted, f"{said}: {found.gate.reason}", judge)


def write_samples(ledger: Ledger, config: Config, folder: Path) -> list[Sample]:
    """Writes a few held-out pairs as pictures and `pairs.jsonl`, which `judgeloop judge` takes.

    Args:
        ledger: The loop's ledger.
        config: Its configuration.
        folder: Target folder; files of an earlier run are overwritten.

    Returns:
        The pairs, with the better answer as `a` and as `b` in turn; empty if none were made.

    Raises:
        StoreError, DataError: The pairs or their pictures cannot be read.
    """
    made = ledger.manifests("hold_out").get(BASE_ITERATION)
    if not made:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    from judgeloop.store.images import ImageLibrary  # numpy and Pillow, which a client lacks

    library = ImageLibrary(ledger.store, config.data.max_pixels, config.data.background)
    samples, rows = [], []
    for number, pair in enumerate(islice(read_records(ledger.store, made[0], Pair), SAMPLES), 1):
        images = []
        for place, name in enumerate(pair.question.images, 1):
            path = folder / (f"{number}.png" if place == 1 else f"{number}-{place}.png")
            library.open(name).save(path)
            images.append(path)
        answers = (pair.chosen, pair.rejected)
        a, b = answers if number % 2 else answers[::-1]
        samples.append(Sample(tuple(images), pair.question.text, a, b))
        row = {"id": pair.id, "images": [path.name for path in images], "a": a, "b": b,
               "question": pair.question.text, "label": "a" if number % 2 else "b"}  # fmt: skip
        rows.append(json.dumps(row, ensure_ascii=False) + "\n")
    (folder / "pairs.jsonl").write_text("".join(rows), encoding="utf-8")
    return samples
