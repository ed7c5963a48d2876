"""The costs of an iteration at 1,000 and 10,000 questions, extrapolated to 100,000; not timed.

```
python -m benchmarks.scale
```

The stages run in this process with the scripted engine, 16 samples per closed question and one
partition, on moto's S3 server. Counted are requests to the engine, samples, words of prompts and of
answers (the scripted engine's tokens), pictures that it opens, objects and bytes in the store, and
requests to S3. Two sizes divide each figure into a fixed part and one that grows with the
questions; the figure of 100,000 is computed from these. A figure that grows faster than its input
is an error. The costs of questions and held-out pairs arise once per loop, the others once per
iteration.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest import mock

from benchmarks.loopback import moto_server
from judgeloop.cli.table import table
from judgeloop.engines.scripted import ScriptedEngine
from judgeloop.models.fetch import fetch_model
from judgeloop.models.local import LocalModel
from judgeloop.runtime.ledger import Ledger
from judgeloop.runtime.redaction import hide_secrets
from judgeloop.runtime.stages.filter import filter_judgements
from judgeloop.runtime.stages.ingest import HELD_OUT, ingest
from judgeloop.runtime.stages.judge import judge
from judgeloop.runtime.stages.synthesize import hold_out, synthesize
from judgeloop.runtime.stages.train import train
from judgeloop.runtime.stages.validate import validate
from judgeloop.schema.config import load_config
from judgeloop.schema.engine_section import EngineSection
from judgeloop.schema.records import Manifest, ModelRef
from judgeloop.schema.requests import Request, Response
from judgeloop.store import Store, open_store
from judgeloop.store.images import ImageLibrary

CONFIG = Path(__file__).resolve().parent.parent / "pipelines" / "configs" / "micro.yaml"
SIZES = (1_000, 10_000)
TARGET = 100_000
SLACK = 1.1
"""Allowed growth of a figure relative to its stage's input: the number of closed questions, asked
16 times, is random. A sort would take 1.3, comparing all with all 10."""
MODEL = ModelRef(base="scripted:skill=0.9")
FIGURES = ("input rows", "requests", "samples", "prompt words", "answer words", "pictures opened",
           "S3 objects", "S3 bytes", "S3 requests")  # fmt: skip

Figures = dict[str, Counter[str]]
"""Counts by stage, and by figure."""


class Counted(ScriptedEngine):
    """A scripted engine that records its requests in `counts`."""

    def __init__(
        self, counts: Counter[str], settings: EngineSection, model: LocalModel, images: ImageLibrary
    ) -> None:
        super().__init__(settings, model, images)
        self.counts = counts

    def submit(self, number: int, request: Request) -> None:
        """Counts and submits a request."""
        self.counts["requests"] += 1
        self.counts["pictures opened"] += len(request.images)
        self.counts["prompt words"] += len(request.text.split())
        super().submit(number, request)

    def poll(self) -> list[tuple[int, Response]]:
        """Counts answers."""
        answered = super().poll()
        for _, response in answered:
            self.counts["samples"] += len(response.samples)
            self.counts["answer words"] += sum(sample.tokens for sample in response.samples)
        return answered


@contextlib.contextmanager
def counted(into: Counter[str]) -> Iterator[None]:
    """Makes the stages use a counting engine."""

    @contextlib.contextmanager
    def start(
        settings: EngineSection, model: ModelRef, images: ImageLibrary, store: Store
    ) -> Iterator[Counted]:
        yield Counted(into, settings, fetch_model(model, store), images)

    with mock.patch("judgeloop.runtime.stages.inference.lazy_engine", start):
        yield


def measure(questions: int, log: Path) -> Figures:
    """Runs the stages of one iteration on an S3 prefix of its own; returns the costs of each.

    Args:
        questions: How many.
        log: The server's log, with one line per request.
    """
    prefix = f"q{questions}"
    config = load_config(
        CONFIG,
        [
            f"store=s3://bucket/{prefix}", f"model.base='{MODEL.base}'",
            f"data.count={questions}", "data.shard_size=200", "validation.share=0.1",
            "synthesis.vote_samples=16", "loop.iterations=1", "training.kind=scripted",
        ],
    )  # fmt: skip
    store, found = open_store(config.store), Figures()

    @contextlib.contextmanager
    def stage(name: str, rows: int) -> Iterator[None]:
        before, here = _objects(prefix), Counter[str]()
        sent = _requests(log)
        with counted(here):
            yield
        here |= Counter({"input rows": rows, "S3 requests": _requests(log) - sent})
        here.update({name: count - before[name] for name, count in _objects(prefix).items()})
        found[name] = here

    with stage("ingest", questions):
        read: Manifest = ingest(config, store)
    held = sum(shard.rows for shard in read.shards if shard.split == HELD_OUT)
    with stage("hold_out", held):
        held_out = hold_out(config, store, read, MODEL)
    with stage("synthesize", read.rows - held):
        pairs = synthesize(config, store, 1, 0, read, MODEL)
    with stage("judge", pairs.rows):
        judged = judge(config, store, 1, 0, pairs, MODEL)
    with stage("filter", judged.rows):
        examples = filter_judgements(config, store, [pairs], [judged])
    with stage("train", examples.rows):
        trained = train(config, store, Ledger(store, "scale"), 1, examples, MODEL)
    with stage("validate", held_out.rows):
        validate(config, store, 1, held_out, trained.model or MODEL)
    return found


def _objects(prefix: str) -> Counter[str]:
    import boto3

    pages = (
        boto3.client("s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket="bucket", Prefix=f"{prefix}/")
    )
    sizes = [entry["Size"] for page in pages for entry in page.get("Contents", [])]
    return Counter({"S3 objects": len(sizes), "S3 bytes": sum(sizes)})


def _requests(log: Path) -> int:
    """Requests so far, except for those of leases and this benchmark's own listings.

    A lease costs a few requests per stage and three every ten seconds, regardless of the rows.
    """
    text = log.read_text(errors="replace")
    lines = [line for line in text.splitlines() if " /bucket" in line and "leases" not in line]
    return len(lines) - sum("list-type=2&prefix=q" in line and "%2F&enc" in line for line in lines)


def projected(small: int, large: int, sizes: Sequence[int] = SIZES, target: int = TARGET) -> int:
    """Returns the figure at `target` by the straight line through those of two sizes."""
    slope = (large - small) / (sizes[1] - sizes[0])
    return round(large + slope * (target - sizes[1]))


def grows_faster(figures: tuple[int, int], rows: tuple[int, int]) -> bool:
    """Whether a figure grew by more than the rows of its stage did, at two sizes."""
    return figures[1] > SLACK * figures[0] * rows[1] / rows[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a table for docs/scale.md; returns 1 if a figure grows faster than its input."""
    hide_secrets("%(message)s", "ERROR")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs=2, default=SIZES, help="questions, rising")
    sizes = parser.parse_args(arguments).sizes
    with tempfile.TemporaryDirectory() as name:
        log = Path(name) / "requests.log"
        with moto_server(log):
            import boto3

            os.environ.pop("MLFLOW_TRACKING_URI", None)
            boto3.client("s3").create_bucket(Bucket="bucket")
            small, large = (measure(questions, log) for questions in sizes)
    rows, over = [], []
    for stage in small:
        inputs = small[stage]["input rows"], large[stage]["input rows"]
        for figure in FIGURES:
            pair = small[stage][figure], large[stage][figure]
            if any(pair):
                rows.append((stage, figure, *(f"{count:,}" for count in pair),
                             f"{projected(*pair, sizes):,}"))  # fmt: skip
                over += [f"{stage}: {figure}"] if grows_faster(pair, inputs) else []
    header = ("stage", "figure", *(f"{size:,}" for size in sizes), f"{TARGET:,} (computed)")
    print("\n".join(table(header, rows)))
    print(f"faster than its stage's input: {', '.join(over) or 'nothing'}")
    return int(bool(over))


if __name__ == "__main__":
    sys.exit(main())
