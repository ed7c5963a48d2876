"""Asks the untrained tiny base which of a gold pair's answers is right, in its own task's words.

    python -m benchmarks.best_prompt --run runs/demo

The base was pretrained to choose truthfully (`choose: ...`) and to judge without regard to the
truth (`judge: ...`). So a fair comparison of a trained judge is with the base under `choose:`, not
under `judge:` alone.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from judgeloop.engines import generate, open_engine
from judgeloop.evaluation.statistics import wilson
from judgeloop.models.references import BUILTIN, describe_base
from judgeloop.runtime.redaction import hide_secrets
from judgeloop.schema.engine_section import EngineSection
from judgeloop.schema.records import Labelled, Manifest, Pair, from_json
from judgeloop.schema.requests import Request
from judgeloop.schema.sampling import Sampling
from judgeloop.store import FolderStore
from judgeloop.store.images import ImageLibrary
from judgeloop.store.shards import read_records
from judgeloop.tiny import formats

MAX_PIXELS = 10_000
LETTERS = ("A", "B")


def right_in_both_orders(store: FolderStore, pairs: list[Pair]) -> list[bool]:
    """Returns whether the base chooses the better answer wherever it stands, by pair."""
    images = ImageLibrary(store, MAX_PIXELS)
    settings = EngineSection(kind="transformers", batch_size=64, dtype="float32")
    engine = open_engine(settings, describe_base(BUILTIN, None), images, store)
    sampling = Sampling(temperature=0.0, max_tokens=40)
    requests = [
        Request(
            id=f"{pair.id}/{letter}", text=formats.choose(pair.question.text, answers),
            images=pair.question.images, purpose="answer", sampling=sampling,
        )
        for pair in pairs
        for letter, answers in zip(
            LETTERS, ((pair.chosen, pair.rejected), (pair.rejected, pair.chosen)), strict=True
        )
    ]  # fmt: skip
    said = [response.samples[0].text.split()[-1:] for response in generate(engine, requests)]
    return [said[at : at + 2] == [["A"], ["B"]] for at in range(0, len(said), 2)]


def main() -> int:
    """Prints the share by category."""
    hide_secrets("%(message)s", "WARNING")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=Path("runs/demo"), help="a run of the demo")
    store = FolderStore(parser.parse_args().run / "store")
    keys = [key for key in store.list("gold") if key.endswith("/manifest.json")]
    manifest = from_json(store.read(keys[0]), Manifest, keys[0])
    pairs = list(read_records(store, manifest, Pair))
    right, total = Counter[str](), Counter[str]()
    for pair, good in zip(pairs, right_in_both_orders(store, pairs), strict=True):
        category = pair.origin.category if isinstance(pair.origin, Labelled) else ""
        for name in ("all", category):
            total[name] += 1
            right[name] += good
    for name, n in total.items():
        low, high = wilson(right[name], n)
        sys.stdout.write(f"{name:14} n {n:5}  {right[name] / n:.3f} [{low:.3f}, {high:.3f}]\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
