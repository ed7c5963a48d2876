"""Synthesize: the base model makes preference pairs from questions (paper, stage I)."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import islice

import msgspec

from judgeloop.data.rejections import quote_dropped
from judgeloop.method.steps import Steps
from judgeloop.method.synthesis.pairs import VOTE, make_pair, tried_for
from judgeloop.models.references import without_adapter
from judgeloop.prompt_sets import load_prompts
from judgeloop.report.contact_sheet import contact_sheet, draw_pairs
from judgeloop.runtime.inference import Records
from judgeloop.runtime.progress import Progress
from judgeloop.runtime.stage_settings import HoldOutSettings, SynthesizeSettings
from judgeloop.runtime.stages.inference import infer, inference_manifest, open_library
from judgeloop.runtime.stages.ingest import HELD_OUT, split_name
from judgeloop.schema.counts import PAIR
from judgeloop.schema.errors import DataError
from judgeloop.schema.keys import fraction
from judgeloop.schema.records import Altered, Dropped, Manifest, ModelRef, Pair, Question
from judgeloop.schema.results import Ingested
from judgeloop.store import Store
from judgeloop.store.images import ImageLibrary
from judgeloop.store.shards import Seen, read_records

CONTACT_SHEET = "contact_sheet.html"
_log = logging.getLogger(__name__)


def synthesize(
    config: SynthesizeSettings,
    store: Store,
    iteration: int,
    partition: int,
    questions: Manifest,
    model: ModelRef,
) -> Manifest:
    """Makes one iteration's pairs of one partition.

    With `data.per_iteration`, an iteration takes its slice of the pool (by a hash of the
    question's id; slices are disjoint and repeat). Seeds differ by iteration; without
    `data.fresh_pairs` they don't, so that a slice's pairs are made once and reused.

    Returns:
        The manifest: shards of Pair; counts `inputs`, `rows`, `rows/<error or vote>`,
        `dropped/<reason>`.
    """
    split = split_name(partition)
    slices = _slices(config.data.per_iteration, questions)
    if not config.data.fresh_pairs:
        iteration = (iteration - 1) % slices + 1
    return _make_pairs(
        config, store, "synthesize", iteration, split, questions, model, partition, slices
    )


def hold_out(
    config: HoldOutSettings, store: Store, questions: Manifest, model: ModelRef
) -> Manifest:
    """Makes the held-out pairs, once per loop: for validation only, never for training.

    Raises:
        DataError: No held-out question gave a pair, so that no version could be chosen.
    """
    pairs = _make_pairs(config, store, "hold_out", 0, HELD_OUT, questions, model, None)
    if not pairs.rows:
        raise DataError(_no_pair(store, questions, pairs))
    return pairs


def _no_pair(store: Store, questions: Manifest, pairs: Manifest) -> str:
    """Returns the error for a lack of held-out pairs, with the most frequent drop reason."""
    asked = pairs.input_rows
    if not asked:
        said = (
            f"hold_out: of {questions.rows} questions none is held out, so no judge could be "
            "validated; raise validation.share or give questions on more images"
        )
        if questions.dropped:
            counts = ", ".join(f"{count} {name}" for name, count in questions.dropped.items())
            first = questions.expect(Ingested).first_dropped
            said += f". Further rows could not be used: {counts}. {first}"
        return said
    return (
        f"hold_out: none of {asked} held-out questions gave a pair ("
        + ", ".join(f"{count} {name}" for name, count in pairs.dropped.items())
        + "), so no judge could be validated; raise validation.share, give more questions, or "
        f"loosen what drops the pairs (synthesis). {quote_dropped(store, [pairs])}"
    )


def _make_pairs(
    config: HoldOutSettings,
    store: Store,
    stage: str,
    iteration: int,
    split: str,
    questions: Manifest,
    model: ModelRef,
    partition: int | None,
    slices: int = 1,
) -> Manifest:
    generator, settings = without_adapter(model), config.synthesis
    seed = config.loop.seed
    inputs: dict[str, object] = {"base": generator, "questions": questions}
    if stage == "synthesize":
        inputs |= {"partition": partition, "slices": slices, "iteration": iteration}
    part = msgspec.structs.replace(
        questions, shards=tuple(shard for shard in questions.shards if shard.split == split)
    )
    samplings = {"answer": settings.answer, "alter": settings.alter, "vote": settings.vote}
    header = inference_manifest(stage, config, generator, inputs, samplings, partition)
    prompts, made = load_prompts(config.prompts), _Made(seed)
    library = open_library(config.data, store)

    def steps(question: Question) -> Steps[Records]:
        run_seed = _run_seed(seed, stage, iteration)
        return [(yield from make_pair(prompts, question, settings, run_seed))]

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
        complete=lambda written: _completed(written, made, store, library, split),
        seen=Seen(Pair, made.add),
        library=library,
    )


def _slices(per_iteration: int | None, questions: Manifest) -> int:
    if per_iteration is None:
        return 1
    pool = sum(shard.rows for shard in questions.shards if shard.split != HELD_OUT)
    return max(1, round(pool / per_iteration))


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


class _Made:
    """Counts tried constructions and their outcomes, and samples the pairs of the contact sheet."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._parts: Counter[str] = Counter()
        self._outcomes: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.drawn: list[Pair] = []
        """Pairs of the contact sheet, from the shards so far."""

    def add(self, pairs: list[Pair], dropped: list[Dropped]) -> None:
        """Counts a shard's rows."""
        for pair in pairs:
            what = pair.origin.error if isinstance(pair.origin, Altered) else VOTE
            self._parts[what] += 1
            self._outcomes[tried_for(pair.question, what)][PAIR] += 1
        for row in dropped:
            self._outcomes[row.tried][row.reason] += 1
        self.drawn = draw_pairs([*self.drawn, *pairs], self._seed)

    def counts(self, written: Manifest) -> dict[str, int]:
        """Returns a manifest's counts, extended by those of the counted rows."""
        outcomes = {tried: dict(found) for tried, found in self._outcomes.items()}
        return msgspec.structs.replace(
            written.counted, parts=dict(self._parts), outcomes=outcomes
        ).named()


def _completed(
    manifest: Manifest, made: _Made, store: Store, library: ImageLibrary, split: str
) -> Manifest:
    """Adds the counts, and writes the contact sheet beside the pairs."""
    sheet = f"{manifest.stage}/{manifest.key}/{CONTACT_SHEET}"
    page = contact_sheet(made.drawn, library, f"Pairs of {split}")
    store.write(sheet, page.encode())
    _log.info("%s: look at some of its pairs in %s/%s", manifest.stage, store.uri, sheet)
    return msgspec.structs.replace(
        manifest,
        counts=made.counts(manifest),
        details=manifest.details | {"contact_sheet": sheet},
    )
