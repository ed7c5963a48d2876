"""Ingest: questions and images enter the store, cut into partitions and a held-out part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from judgeloop.config import Config
from judgeloop.data.rows import read_questions
from judgeloop.data.source import TINY_WORLD, Source, open_source
from judgeloop.errors import DataError
from judgeloop.keys import content_key, fraction
from judgeloop.progress import Progress
from judgeloop.records import Manifest, Question, Shard
from judgeloop.shards import Dropped, ShardWriter, finish, finished
from judgeloop.stages.inference import open_library
from judgeloop.store import Store
from judgeloop.store.checksums import sha256_bytes

STAGE = "ingest"
VERSION = 1
HELD_OUT = "held_out"
PROGRESS_ROWS = 200


def ingest(config: Config, store: Store) -> Manifest:
    """Reads the questions, stores their images, and writes shards by split.

    An image's hash decides its split, so that all questions about one image are in one partition,
    and the held-out part shares no image with the rest. Bad rows go to `quarantine-*.jsonl`.

    Returns:
        The manifest: shards of Question with split `p000`, ... or `held_out`; counts `inputs`,
        `rows`,
        `rows/<split>` and `dropped/<reason>`.

    Raises:
        DataError: There is no usable row at all.
    """
    with open_source(config.data.questions, _maker(config)) as source:
        data = source.read()
        key = content_key(
            STAGE,
            VERSION,
            config.data,
            config.validation.share,
            config.loop.partitions,
            config.loop.seed,
            sha256_bytes(data),
        )
        return finished(store, STAGE, key) or finish(
            store, _write(config, store, source, data, key)
        )


def split_name(partition: int) -> str:
    """Returns the split of a partition's questions."""
    return f"p{partition:03d}"


def split_of(question: Question, config: Config) -> str:
    """Returns a question's split, by the hash of its first image."""
    image = question.images[0]
    if fraction("held out", config.loop.seed, image) < config.validation.share:
        return HELD_OUT
    return split_name(int(fraction("partition", image) * config.loop.partitions))


def _maker(config: Config):  # type: ignore[no-untyped-def]
    def make(folder: Path) -> Path:
        from judgeloop.tiny.dataset import write_questions

        return write_questions(folder, config.data.count or 1000, config.loop.seed)

    return make


def _write(config: Config, store: Store, source: Source, data: bytes, key: str) -> Manifest:
    writers: dict[str, ShardWriter] = {}
    quarantine = ShardWriter(store, f"{STAGE}/{key}/quarantine", "", config.data.shard_size)
    counts: Counter[str] = Counter()
    limit = config.data.count if config.data.questions != TINY_WORLD else None
    with open_library(config, store).adding() as add:  # all images are there before the manifest
        rows = islice(read_questions(data, source.name, source.folder, add), limit)
        for row in _counted(rows, data.count(b"\n")):
            counts["inputs"] += 1
            if isinstance(row, Dropped):
                counts[f"dropped/{row.reason}"] += 1
                quarantine.add(row)
                continue
            split = split_of(row, config)
            counts["rows"] += 1
            counts[f"rows/{split}"] += 1
            if split not in writers:
                writers[split] = ShardWriter(
                    store, f"{STAGE}/{key}/{split}", split, config.data.shard_size
                )
            writers[split].add(row)
    quarantine.close()
    if not counts["rows"]:
        raise DataError(f"{source.name}: no usable row ({dict(counts) or 'the file is empty'})")
    shards: list[Shard] = [shard for split in sorted(writers) for shard in writers[split].close()]
    return Manifest(
        stage=STAGE,
        stage_version=VERSION,
        key=key,
        shards=tuple(shards),
        counts=dict(sorted(counts.items())),
        seed=config.loop.seed,
        details={"source": config.data.questions},
    )


def _counted(rows: Iterable[Question | Dropped], total: int) -> Iterator[Question | Dropped]:
    progress = Progress("000/ingest", total, "questions")
    for number, row in enumerate(rows, start=1):
        yield row
        if number % PROGRESS_ROWS == 0 or number == total:
            progress.advance(
                PROGRESS_ROWS if number % PROGRESS_ROWS == 0 else total % PROGRESS_ROWS
            )
