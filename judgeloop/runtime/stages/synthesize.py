"""Synthesize: preference pairs from questions, made by the base model (paper, stage I)."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from itertools import islice

import msgspec

from judgeloop.data.rejections import quote_dropped
from judgeloop.method.prompts import load_prompts
from judgeloop.method.steps import Steps
from judgeloop.method.synthesis.pairs import VOTE, make_pair, tried_for
from judgeloop.models.references import without_adapter
from judgeloop.report.contact_sheet import contact_sheet, draw_pairs
from judgeloop.report.yields import KEPT, YIELD
from judgeloop.runtime.inference import Records
from judgeloop.runtime.progress import Progress
from judgeloop.runtime.stages.inference import infer, inference_manifest, open_library
from judgeloop.runtime.stages.ingest import DROPPED, HELD_OUT, split_name
from judgeloop.schema.config import Config
from judgeloop.schema.errors import DataError
from judgeloop.schema.keys import fraction
from judgeloop.schema.records import Altered, Manifest, ModelRef, Pair, Question
from judgeloop.store import Store
from judgeloop.store.shards import read_dropped, read_records

CONTACT_SHEET = "contact_sheet.html"
_log = logging.getLogger(__name__)


def synthesize(
    config: Config,
    store: Store,
    iteration: int,
    partition: int,
    questions: Manifest,
    model: ModelRef,
) -> Manifest:
    """Makes one iteration's pairs of one partition.

    With `data.per_iteration`, an iteration takes its slice of the pool (by a hash of the
    question's id; slices are disjoint and come round again); seeds differ by iteration in any case.

    Returns:
        The manifest: shards of Pair; counts `inputs`, `rows`, `rows/<error or vote>`,
        `dropped/<reason>`.
    """
    split = split_name(partition)
    return _make_pairs(config, store, "synthesize", iteration, split, questions, model, partition)


def hold_out(config: Config, store: Store, questions: Manifest, model: ModelRef) -> Manifest:
    """Makes the held-out pairs, once a loop: they validate every iteration and never train.

    Raises:
        DataError: No held-out question gave a pair, so that nothing could choose a version.
    """
    pairs = _make_pairs(config, store, "hold_out", 0, HELD_OUT, questions, model, None)
    if not pairs.rows:
        raise DataError(_no_pair(store, questions, pairs))
    return pairs


def _no_pair(store: Store, questions: Manifest, pairs: Manifest) -> str:
    """Says why there is no held-out pair, and quotes what most rows were dropped for."""
    asked = pairs.counts.get("inputs", 0)
    if not asked:
        said = (
            f"hold_out: of {questions.rows} questions none is held out, so no judge could be "
            "validated; raise validation.share or give questions on more images"
        )
        if questions.dropped:
            counts = ", ".join(f"{count} {name}" for name, count in questions.dropped.items())
            said += (
                f". Further rows could not be used: {counts}. {questions.details.get(DROPPED, '')}"
            )
        return said
    return (
        f"hold_out: none of {asked} held-out questions gave a pair ("
        + ", ".join(f"{count} {name}" for name, count in pairs.dropped.items())
        + "), so no judge could be validated; raise validation.share, give more questions, or "
        f"loosen what drops the pairs (synthesis). {quote_dropped(store, [pairs])}"
    )


def _make_pairs(
    config: Config,
    store: Store,
    stage: str,
    iteration: int,
    split: str,
    questions: Manifest,
    model: ModelRef,
    partition: int | None,
) -> Manifest:
    generator, settings = without_adapter(model), config.synthesis
    slices = _slices(config, questions) if stage == "synthesize" else 1
    seed = config.loop.seed
    inputs: dict[str, object] = {"base": generator, "questions": questions}
    if stage == "synthesize":
        inputs |= {"partition": partition, "slices": slices, "iteration": iteration}
    part = msgspec.structs.replace(
        questions, shards=tuple(shard for shard in questions.shards if shard.split == split)
    )
    samplings = {"answer": settings.answer, "alter": settings.alter, "vote": settings.vote}
    header = inference_manifest(stage, config, generator, inputs, samplings, partition)
    prompts = load_prompts(config.prompts)

    def steps(question: Question) -> Steps[Records]:
        made = yield from make_pair(prompts, question, settings, _run_seed(seed, stage, iteration))
        return [made]

    def progress() -> Progress:
        rows = part.rows
        if slices > 1:
            rows = sum(1 for _ in _slice(store, part, iteration, slices, seed))
        task = f"{iteration:03d}/{stage}" + ("" if partition is None else f"/p{partition:03d}")
        return Progress(task, rows, "questions")

    return infer(
        config,
        store,
        header,
        batches=_batches(_slice(store, part, iteration, slices, seed), config.data.shard_size),
        steps=steps,
        progress=progress,
        complete=lambda written: _completed(config, store, written, split),
    )


def _slices(config: Config, questions: Manifest) -> int:
    if config.data.per_iteration is None:
        return 1
    pool = sum(shard.rows for shard in questions.shards if shard.split != HELD_OUT)
    return max(1, round(pool / config.data.per_iteration))


def _slice(
    store: Store, questions: Manifest, iteration: int, slices: int, seed: int
) -> Iterator[Question]:
    wanted = (iteration - 1) % slices
    for question in read_records(store, questions, Question):
        if int(fraction("slice", seed, question.id) * slices) == wanted:
            yield question


def _batches(questions: Iterator[Question], size: int) -> Iterator[list[Question]]:
    """Splits a slice into batches: it may hold only a few questions of each shard."""
    while batch := list(islice(questions, size)):
        yield batch


def _run_seed(seed: int, stage: str, iteration: int) -> int:
    return int(fraction(seed, stage, iteration) * 2**31)


def _completed(config: Config, store: Store, manifest: Manifest, split: str) -> Manifest:
    """Counts what was made of what was tried, and writes the contact sheet beside the pairs."""
    counts: Counter[str] = Counter(manifest.counts)

    def counted() -> Iterator[Pair]:
        for pair in read_records(store, manifest, Pair):
            what = pair.origin.error if isinstance(pair.origin, Altered) else VOTE
            counts[f"rows/{what}"] += 1
            counts[f"{YIELD}{tried_for(pair.question, what)}/{KEPT}"] += 1
            yield pair

    shown = draw_pairs(counted(), config.loop.seed)  # one pass: the shards are read once
    for dropped in read_dropped(store, manifest):
        counts[f"{YIELD}{dropped.tried}/{dropped.reason}"] += 1
    sheet = f"{manifest.stage}/{manifest.key}/{CONTACT_SHEET}"
    page = contact_sheet(shown, open_library(config, store), f"Pairs of {split}")
    store.write(sheet, page.encode())
    _log.info("%s: look at some of its pairs in %s/%s", manifest.stage, store.uri, sheet)
    return msgspec.structs.replace(
        manifest,
        counts=dict(sorted(counts.items())),
        details=manifest.details | {"contact_sheet": sheet},
    )
