"""Judges a named benchmark's items and scores the judge by the benchmark's protocol.

A part of `evaluate`, for information only: every item is judged in both orders, several samples
each. The official figures use the order that the protocol draws for each sample.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from judgeloop.evaluation.benchmarks import BENCHMARKS
from judgeloop.evaluation.benchmarks.base import Benchmark, Item, Loaded, writers
from judgeloop.evaluation.benchmarks.images import item_images
from judgeloop.evaluation.benchmarks.intervals import outcome_intervals
from judgeloop.evaluation.benchmarks.judging import ProtocolPrompts, item_pair, outputs_of
from judgeloop.evaluation.benchmarks.place import data_folder
from judgeloop.evaluation.benchmarks.score import OWN, official_outputs
from judgeloop.evaluation.benchmarks.strict import strict, strict_results
from judgeloop.evaluation.benchmarks.voting import voting
from judgeloop.evaluation.own_answers import own_answers
from judgeloop.method.judging.orders import judge_pair
from judgeloop.method.prompts.base import JudgePrompts
from judgeloop.method.steps import Steps
from judgeloop.prompt_sets import load_prompts
from judgeloop.runtime.inference import WHOLE, Records, Share
from judgeloop.runtime.once import Turn, once
from judgeloop.runtime.progress import Progress
from judgeloop.runtime.stage_key import stage_manifest
from judgeloop.runtime.stage_settings import EvaluateSettings
from judgeloop.runtime.stages.inference import infer, open_library
from judgeloop.schema.counts import Counts
from judgeloop.schema.errors import ConfigError, DataError
from judgeloop.schema.keys import listed_key
from judgeloop.schema.records import Judgement, Manifest, ModelRef, Pair
from judgeloop.schema.results import BenchmarkProtocol, BenchmarkScores
from judgeloop.store import Store
from judgeloop.store.checksums import sha256_bytes
from judgeloop.store.shards import ShardWriter, read_records, read_shards

OFFICIAL = "official"
"""The prompt of a benchmark's own script, which its protocol names."""
_ITEMS = "gold"
"""Folder of the items in the store, beside the gold pairs."""
_JUDGEMENTS = "evaluate"
VIDEOS = (".avi", ".mkv", ".mov", ".mp4", ".webm")
"""File name suffixes of videos, which no engine here supports."""


def judge_benchmark(
    config: EvaluateSettings,
    store: Store,
    iteration: int,
    name: str,
    model: ModelRef,
    share: Share = WHOLE,
) -> Manifest:
    """Judges the items of a benchmark, and computes its official and strict figures.

    Returns:
        The manifest: shards of Judgement; the result contains the figures; counts of rows and of
        items that were not judged, by reason; details `official`, the figures in the benchmark's
        keys, and `own_answers`, why there is no figure on them.

    Raises:
        ConfigError: No benchmark has this name.
        DataError: The data cannot be used, or a script beside it has another prompt.
    """
    if name not in BENCHMARKS:
        known = ", ".join(BENCHMARKS)
        raise ConfigError(f"evaluation.benchmarks: no benchmark is called {name!r}; known: {known}")
    with data_folder(config.evaluation.data[name]) as place:
        return _judge(config, store, iteration, BENCHMARKS[name], place, model, share)


def _judge(
    config: EvaluateSettings,
    store: Store,
    iteration: int,
    benchmark: Benchmark,
    place: Path,
    model: ModelRef,
    share: Share,
) -> Manifest:
    name = benchmark.name
    loaded = benchmark.load(place)
    pairs = _stored_items(config, store, benchmark, loaded)
    folder = Path(loaded.paths[0]).parent
    template = benchmark.prompt.read(folder) if benchmark.prompt else None
    prompts: JudgePrompts = (
        ProtocolPrompts(benchmark, template) if template else load_prompts(config.prompts)
    )
    samples = config.evaluation.samples or benchmark.samples
    seed = config.loop.seed
    header = msgspec.structs.replace(
        stage_manifest(
            "benchmark",
            config,
            model=model,
            pairs=pairs,
            benchmark=(name, benchmark.protocol),
            official_prompt=template or "",
        ),
        stage=_JUDGEMENTS,
        model=model,
    )
    asked = BenchmarkProtocol(
        name=benchmark.protocol,
        samples=samples,
        prompt=OFFICIAL if template else f"judgeloop's {config.prompts}",
        data=loaded.files,
    )

    def steps(pair: Pair) -> Steps[Records]:
        return (yield from judge_pair(prompts, pair, benchmark.sampling, samples, seed))

    return infer(
        config,
        store,
        header,
        batches=read_shards(store, pairs, Pair),
        steps=steps,
        progress=lambda: Progress(f"{iteration:03d}/{name}{share.suffix}", pairs.rows, "items"),
        share=share,
        complete=_scoring(store, benchmark, loaded, pairs, asked),
    )


def _stored_items(
    config: EvaluateSettings, store: Store, benchmark: Benchmark, loaded: Loaded
) -> Manifest:
    """Stores the items with their images; items without an image are counted."""
    library = open_library(config.data, store)
    paths = [Path(path) for path in loaded.paths]
    hashed = (
        [item.key, sha256_bytes(data) if data else ""]
        for item, data in item_images(paths, loaded.items)
    )
    header = msgspec.structs.replace(
        stage_manifest(
            "benchmark_items",
            config,
            benchmark=benchmark.name,
            files=loaded.files,
            images=listed_key(hashed),
        ),
        stage=_ITEMS,
    )

    def write(_: Turn) -> Manifest:
        shards = ShardWriter(store, f"{_ITEMS}/{header.key}/pairs", "", config.data.shard_size)
        dropped = Counter(bad_row=len(loaded.faults))
        with library.adding() as add:
            for item, data in item_images(paths, loaded.items):
                pair = _pair(item, data, add)
                if isinstance(pair, Pair):
                    shards.add(pair)
                else:
                    dropped[pair] += 1
        made = shards.close()
        if not made:
            raise DataError(
                f"{loaded.paths[0]}: no item of {benchmark.name} has an image that can be read; "
                "give the folder with its images"
            )
        counts = Counts(
            inputs=len(loaded.items), rows=sum(one.rows for one in made), dropped=dropped
        )
        return msgspec.structs.replace(header, shards=tuple(made), counts=counts.named())

    return once(store, _ITEMS, header.key, write)


def _pair(item: Item, data: bytes | None, add: Callable[[bytes], str]) -> Pair | str:
    """Returns the pair of an item, or the reason why it cannot be judged."""
    if item.image.lower().endswith(VIDEOS):
        return "video"
    if data is None:
        return "missing_image"
    try:
        return item_pair(item, add(data))
    except DataError:
        return "bad_image"


def _scoring(
    store: Store, benchmark: Benchmark, loaded: Loaded, pairs: Manifest, asked: BenchmarkProtocol
) -> Callable[[Manifest], Manifest]:
    def score(written: Manifest) -> Manifest:
        judgements = read_records(store, written, Judgement)
        outputs = outputs_of(benchmark, judgements, asked.prompt == OFFICIAL)
        official, _ = official_outputs(benchmark, loaded.items, outputs, OWN)
        figures = benchmark.aggregate(loaded.items, official)
        strictly, _ = strict(benchmark, loaded.items, outputs)
        base = written.model.base if written.model else ""
        judged = strict_results(benchmark, loaded.items, outputs)
        own = own_answers(judged, writers(loaded.items), base)
        dropped = written.dropped | pairs.dropped
        return msgspec.structs.replace(
            written,
            result=BenchmarkScores(
                benchmark=benchmark.name,
                asked=asked,
                figures=flat_figures("official", figures.official)
                | flat_figures("intervals", outcome_intervals(figures.outcomes) | figures.intervals)
                | flat_figures("maps", figures.maps)
                | flat_figures("strict", strictly or {})
                | flat_figures("own_answers", msgspec.to_builtins(own) if own.items else {})
                | flat_figures("voting", voting(benchmark, outputs) or {}),
            ),
            counts=msgspec.structs.replace(written.counted, dropped=dropped).named(),
            details=written.details
            | {"official": json.dumps(figures.official), "own_answers": own.reason},
        )

    return score


def flat_figures(prefix: str, figures: Mapping[str, Any]) -> dict[str, float]:
    """Returns the numbers of nested figures by their path; undefined figures are left out.

    Of an interval, which is a pair of numbers, the ends are `<path>/low` and `<path>/high`; of
    another list the entries are `<path>/0`, `<path>/1`, ...
    """
    flat: dict[str, float] = {}
    for name, value in figures.items():
        if isinstance(value, dict):
            flat |= flat_figures(f"{prefix}/{name}", value)
        elif isinstance(value, list | tuple):
            is_interval = len(value) == 2 and not any(isinstance(one, dict) for one in value)
            names = ("low", "high") if is_interval else map(str, range(len(value)))
            flat |= flat_figures(f"{prefix}/{name}", dict(zip(names, value, strict=True)))
        elif isinstance(value, int | float):
            flat[f"{prefix}/{name}"] = float(value)
    return flat
