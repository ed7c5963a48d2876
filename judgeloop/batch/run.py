"""Judges the rows of a file on one engine, a shard at a time, and writes one file of judgements."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

import msgspec

from judgeloop.batch.rows import PairRow, read_rows
from judgeloop.batch.summary import Summary, summarize
from judgeloop.data.images import SourceImages
from judgeloop.engines.fit import choose_engine
from judgeloop.engines.libraries import warm_up
from judgeloop.method.judging.comparison import PairJudgement, compare_answers
from judgeloop.method.prompts import PromptSet, prompt_hash
from judgeloop.method.steps import Steps
from judgeloop.models.control_tokens import RULE
from judgeloop.models.judge import JudgeModel, find_judge, judge_version
from judgeloop.runtime.engine_start import lazy_engine
from judgeloop.runtime.inference import Records, infer_shards
from judgeloop.runtime.once import Turn, once
from judgeloop.runtime.stage_key import declared_key, key_spec
from judgeloop.schema.engine_section import EngineSection
from judgeloop.schema.errors import ConfigError, DataError, EngineError
from judgeloop.schema.records import Dropped, JudgeVersion, Kind, Manifest, Question, to_json
from judgeloop.schema.sampling import Sampling
from judgeloop.store import FolderStore
from judgeloop.store.checksums import sha256_file
from judgeloop.store.images import ImageLibrary
from judgeloop.store.local_files import disk_errors_named
from judgeloop.store.scratch import scratch_folder
from judgeloop.store.shards import read_dropped, read_records

STAGE = "compare"
SHARD_ROWS = 50
SHARDS_IN_FLIGHT = 3


class BatchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a file is judged."""

    judge: str
    """Name of the judge, as `judgeloop.models.judge.find_judge` takes it."""
    engine: EngineSection | str | None = None
    """A kind of engine or all its settings; None takes Transformers."""
    prompts: str | None = None
    samples: int = 1
    sampling: Sampling | None = None
    """None: greedy, with as many tokens as the prompts need."""
    max_pixels: int | None = None
    """A larger image is scaled down; None is the limit of the judge's training."""


def judge_file(
    pairs: Path,
    out: Path,
    settings: BatchSettings,
    advance: Callable[[int], None] = lambda rows: None,
) -> Summary:
    """Judges every row of `pairs` in both orders and writes one `PairJudgement` per line to `out`.

    Interrupted and started again with the same arguments, it resumes after the last stored shard;
    shards are kept in `<out>.work` until all rows are done. Rows that cannot be judged are written
    to `<out>.dropped.jsonl` with the reason.

    Args:
        pairs: JSONL file, see `judgeloop.batch.rows.PairRow`.
        out: File to write; it must not exist yet.
        settings: How the pairs are judged.
        advance: Called with the number of rows of each stored shard.

    Raises:
        ConfigError: `out` exists, `pairs` cannot be read, or the judge's name cannot be resolved.
        DataError: No row could be judged.
        EngineError: The engine cannot run the judge, or died.
    """
    if out.exists():
        raise ConfigError(f"{out} already exists: remove it, or give another --out")
    next(read_rows(pairs), None)  # report an unreadable file before the judge is downloaded
    work = out.with_name(f"{out.name}.work")
    with _alone(work, out):
        store = FolderStore(work)
        with scratch_folder("judge") as scratch:
            found = find_judge(
                settings.judge,
                Path(scratch) / "version",
                settings.prompts,
                lambda: warm_up(settings.engine),
            )
            manifest = _Batch(pairs, store, settings, found, advance).run()
        records = list(read_records(store, manifest, PairJudgement))
        dropped = list(read_dropped(store, manifest))
        if not records:
            first = f" The first: {dropped[0].detail}" if dropped else ""
            raise DataError(f"{pairs}: no row could be judged.{first}")
        if dropped:
            _write(out.with_name(f"{out.name}.dropped.jsonl"), dropped)
        _write(out, records)
        shutil.rmtree(work)
    return summarize(records, dropped)


@contextmanager
def _alone(work: Path, out: Path) -> Iterator[None]:
    """Locks the output: a first process that ends would remove the work of a second one.

    The lock is released when this process ends, in whatever way.

    Raises:
        ConfigError: Another process writes the file.
        StoreError: The folder cannot be made.
    """
    with disk_errors_named(f"use {work}"):
        work.mkdir(parents=True, exist_ok=True)
        folder = os.open(work, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"{out}: another process is writing it: wait for it, or give another --out"
            ) from None
        try:
            yield
        finally:
            with suppress(OSError):
                work.rmdir()  # it is empty if no work was begun
    finally:
        os.close(folder)


class _Batch:
    """One run over a file."""

    def __init__(
        self,
        pairs: Path,
        store: FolderStore,
        settings: BatchSettings,
        found: JudgeModel,
        advance: Callable[[int], None],
    ) -> None:
        self._pairs = pairs
        self._store = store
        self._settings = settings
        self._found = found
        self._engine = choose_engine(settings.engine, found.model.base)
        self._advance = advance
        self._prompts: PromptSet = found.prompts
        self._version: JudgeVersion = judge_version(settings.judge, found)
        self._sampling = settings.sampling or Sampling(
            temperature=0.0, max_tokens=self._prompts.judgement_tokens
        )
        self._max_pixels = settings.max_pixels or found.max_pixels
        self._library = ImageLibrary(store, self._max_pixels, found.background)
        names = (
            name for row in read_rows(pairs) if isinstance(row, PairRow) for name in row.images
        )
        self._images = SourceImages(FolderStore(pairs.absolute().parent), names)

    def run(self) -> Manifest:
        """Judges the rows that are not judged yet; returns the manifest."""
        inputs = {
            "model": self._found.model,
            "prompt_hash": prompt_hash(self._prompts),
            "rule": RULE,
            "sampling": self._sampling,
            "samples": self._settings.samples,
            "engine_settings": self._engine,
            "max_pixels": self._max_pixels,
            "background": self._found.background,
            "file": sha256_file(self._pairs),
            "images": self._images.scan(),
        }
        key, version = declared_key(STAGE, {}, inputs), key_spec(STAGE).version
        header = Manifest(stage=STAGE, stage_version=version, key=key, model=self._found.model)
        return once(self._store, STAGE, key, lambda turn: self._judge(header, turn))

    def _judge(self, header: Manifest, turn: Turn) -> Manifest:
        with self._library.adding() as add:
            self._images.add_all(add)
        with lazy_engine(self._engine, self._found.model, self._library, self._store) as engine:
            return infer_shards(
                engine,
                self._store,
                header,
                self._batches(),
                self._steps,
                SHARDS_IN_FLIGHT,
                before_shard=turn.lease.ensure_held,
                advance=self._advance,
                stored=turn.stored,
            )

    def _batches(self) -> Iterator[Sequence[PairRow | Dropped]]:
        rows = read_rows(self._pairs)
        while batch := list(islice(rows, SHARD_ROWS)):
            yield batch

    def _steps(self, row: PairRow | Dropped) -> Steps[Records]:
        if isinstance(row, Dropped):
            return (row,)
        answers = row.answers()
        assert answers is not None  # `read_rows` drops the others
        a, b, label = answers
        try:
            images = self._images.hashes(row.images)
        except DataError as error:
            return (Dropped(id=row.id, reason="bad_image", detail=str(error)),)
        question = Question(id=row.id, images=images, text=row.question, kind=Kind.LONG_ANSWER)
        try:
            judged = yield from compare_answers(
                self._prompts, question, a, b, self._sampling, self._settings.samples
            )
        except EngineError as error:
            return (Dropped(id=row.id, reason="engine_error", detail=str(error)),)
        return (msgspec.structs.replace(judged, label=label, judge=self._version),)


def _write(file: Path, records: Sequence[object]) -> None:
    """Writes records to a JSONL file atomically."""
    part = file.with_name(f"{file.name}.part")
    part.write_bytes(b"".join(to_json(record) + b"\n" for record in records))
    part.replace(file)
