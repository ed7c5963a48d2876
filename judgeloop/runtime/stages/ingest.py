"""Ingest: stores questions and images, split into partitions and a held-out part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from judgeloop.data.contamination import Guard
from judgeloop.data.images import SourceImages
from judgeloop.data.rejections import Rejections
from judgeloop.data.rows import QuestionRow, image_names, read_questions
from judgeloop.data.source import TINY_WORLD, Source, open_source
from judgeloop.evaluation.benchmarks.seen import SeenItems, seen_items
from judgeloop.runtime.once import once
from judgeloop.runtime.progress import Progress
from judgeloop.runtime.stage_key import stage_manifest
from judgeloop.runtime.stage_settings import IngestSettings
from judgeloop.runtime.stages.inference import open_library
from judgeloop.schema.counts import Counts
from judgeloop.schema.keys import fraction
from judgeloop.schema.records import Dropped, Manifest, Question, Shard
from judgeloop.schema.results import Ingested
from judgeloop.store import Store
from judgeloop.store.checksums import sha256_file
from judgeloop.store.disk_dict import DiskDict
from judgeloop.store.images import ImageLibrary
from judgeloop.store.shards import ShardWriter

STAGE = "ingest"
HELD_OUT = "held_out"
TASK = "000/ingest"


def ingest(config: IngestSettings, store: Store) -> Manifest:
    """Reads the questions, stores their images, and writes shards by split.

    Bad rows go to `quarantine-*.jsonl`, and so do a question with images on both sides of the split
    and one whose image or prompt a benchmark of `evaluation.benchmarks` has. The key covers the
    bytes of the file, of the images and of these benchmarks, so that corrected data is ingested
    again; images that a killed run has stored are found by their hashes.

    Returns:
        The manifest: shards of Question with split `p000`, ... or `held_out`; counts `inputs`,
        `rows`, `rows/<split>` and `dropped/<reason>`.

    Raises:
        DataError: There is no usable row.
    """
    settings, chosen = config.data, config.evaluation.benchmarks
    places = {name: config.evaluation.data.get(name, "") for name in chosen}
    with (
        open_source(settings.questions, _maker(config), columns=settings.columns) as source,
        seen_items(places) as seen,
    ):
        images = SourceImages(source.folder, image_names(source, QuestionRow, _limit(config)))
        looked = images.scan(Progress(TASK, len(images), "images hashed").advance)
        header = stage_manifest(
            STAGE, config, file=sha256_file(source.file), images=looked, benchmarks=seen.files()
        )
        return once(
            store, STAGE, header.key, lambda _: _write(config, store, source, images, header, seen)
        )


def split_name(partition: int) -> str:
    """Returns the split of a partition's questions."""
    return f"p{partition:03d}"


def split_of(question: Question, config: IngestSettings) -> str | None:
    """Returns a question's split, by its images' hashes, so that the held-out part shares no image.

    The first image decides the partition. None: some of the images are held out, others train.
    """
    seed, share = config.loop.seed, config.validation.share
    held_out = {fraction("held out", seed, image) < share for image in question.images}
    if len(held_out) > 1:
        return None
    if True in held_out:
        return HELD_OUT
    return split_name(int(fraction("partition", question.images[0]) * config.loop.partitions))


def _maker(config: IngestSettings) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        from judgeloop.tiny.dataset import write_questions

        return write_questions(folder, config.data.count or 1000, config.loop.seed)

    return make


def _limit(config: IngestSettings) -> int | None:
    return config.data.count if config.data.questions != TINY_WORLD else None


def _write(
    config: IngestSettings,
    store: Store,
    source: Source,
    images: SourceImages,
    header: Manifest,
    seen: SeenItems,
) -> Manifest:
    guard = _GuardedImages(seen, open_library(config.data, store))
    # All images are stored before the manifest.
    with open_library(config.data, store).adding() as add:
        images.add_all(add, Progress(TASK, images.readable, "images").advance)
    writers: dict[str, ShardWriter] = {}
    quarantine = ShardWriter(store, f"{STAGE}/{header.key}/quarantine", "", config.data.shard_size)
    inputs, parts = 0, Counter[str]()
    rejections = Rejections()
    for row in read_questions(source, images, _limit(config), config.data.kinds):
        checked = row if isinstance(row, Dropped) else _placed(row, config, guard)
        inputs += 1
        if isinstance(checked, Dropped):
            rejections.add(checked)
            quarantine.add(checked)
            continue
        question, split = checked
        parts[split] += 1
        if split not in writers:
            writers[split] = ShardWriter(
                store, f"{STAGE}/{header.key}/{split}", split, config.data.shard_size
            )
        writers[split].add(question)
    quarantine.close()
    if not parts:
        raise rejections.no_usable_row(source.name)
    shards: list[Shard] = [shard for split in sorted(writers) for shard in writers[split].close()]
    return msgspec.structs.replace(
        header,
        shards=tuple(shards),
        counts=Counts(
            inputs=inputs, rows=parts.total(), parts=parts, dropped=rejections.dropped
        ).named(),
        result=Ingested(first_dropped=rejections.most_frequent()),
        details={"source": config.data.questions},
    )


class _GuardedImages:
    """Caches for each image whether a benchmark contains it."""

    def __init__(self, seen: SeenItems, library: ImageLibrary) -> None:
        self._guard = Guard(seen) if seen else None
        self._library = library
        self._known: DiskDict[str, str] = DiskDict()

    def repeated(self, question: Question) -> str | None:
        """Returns which benchmark item a question repeats; None if it repeats none."""
        if self._guard is None:
            return None
        for image in question.images:
            found = self._known.get(image)
            if found is None:
                found = self._guard.repeated_image(self._library.read(image)) or ""
                self._known.add(image, found)
            if found:
                return found
        return self._guard.repeated_prompt(question.text)


def _placed(
    question: Question, config: IngestSettings, guard: _GuardedImages
) -> tuple[Question, str] | Dropped:
    repeated = guard.repeated(question)
    if repeated is not None:
        return Dropped(id=question.id, reason="in_benchmark", detail=repeated)
    split = split_of(question, config)
    if split is None:
        detail = "some of its images are held out, others train; a question may not join them"
        return Dropped(id=question.id, reason="mixed_split", detail=detail)
    return question, split
