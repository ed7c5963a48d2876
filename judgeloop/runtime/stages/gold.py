"""The gold pairs: a loop's only ground truth. Only the stage `evaluate` imports this."""

from __future__ import annotations

from pathlib import Path

import msgspec

from judgeloop.data.file_format import Rows
from judgeloop.data.images import SourceImages
from judgeloop.data.rejections import Rejections
from judgeloop.data.rows import GoldRow, image_names, read_gold
from judgeloop.data.source import TINY_WORLD, Source, open_source
from judgeloop.runtime.once import Turn, once
from judgeloop.runtime.stage_key import stage_manifest
from judgeloop.runtime.stage_settings import EvaluateSettings
from judgeloop.schema.counts import Counts
from judgeloop.schema.records import Dropped, Manifest
from judgeloop.store import Store
from judgeloop.store.checksums import sha256_file
from judgeloop.store.images import ImageLibrary
from judgeloop.store.shards import ShardWriter

STAGE = "gold"
WORLD_SEED = 20_512
"""The tiny world's gold pairs are the same whatever the loop's seed is."""


def load_gold(config: EvaluateSettings, store: Store, library: ImageLibrary) -> Manifest:
    """Stores the gold pairs and their images.

    The key covers the bytes of the file and the images, so that corrected data is read again.

    Returns:
        The manifest: shards of Pair with `Labelled` origin; counts `inputs`, `rows` and
        `dropped/<reason>`; bad rows are in `quarantine-*.jsonl`.

    Raises:
        DataError: There is no usable row.
    """

    def make(folder: Path) -> Path:
        from judgeloop.tiny.dataset import write_gold

        return write_gold(folder, config.evaluation.count or 1000, WORLD_SEED)

    with open_source(config.evaluation.gold, make, Rows.PAIRS) as source:
        images = SourceImages(source.folder, image_names(source, GoldRow, _limit(config)))
        header = stage_manifest(STAGE, config, file=sha256_file(source.file), images=images.scan())

        def write(_: Turn) -> Manifest:
            return _write(config, store, library, source, images, header)

        return once(store, STAGE, header.key, write)


def _limit(config: EvaluateSettings) -> int | None:
    return config.evaluation.count if config.evaluation.gold != TINY_WORLD else None


def _write(
    config: EvaluateSettings,
    store: Store,
    library: ImageLibrary,
    source: Source,
    images: SourceImages,
    header: Manifest,
) -> Manifest:
    with library.adding() as add:  # all images are stored before the manifest
        images.add_all(add)
    size = config.data.shard_size
    pairs = ShardWriter(store, f"{STAGE}/{header.key}/pairs", "", size)
    quarantine = ShardWriter(store, f"{STAGE}/{header.key}/quarantine", "", size)
    inputs, rejections = 0, Rejections()
    for row in read_gold(source, images, _limit(config)):
        inputs += 1
        if isinstance(row, Dropped):
            rejections.add(row)
            quarantine.add(row)
        else:
            pairs.add(row)
    quarantine.close()
    shards = pairs.close()
    if not shards:
        raise rejections.no_usable_row(source.name)
    return msgspec.structs.replace(
        header,
        shards=tuple(shards),
        counts=Counts(
            inputs=inputs, rows=sum(one.rows for one in shards), dropped=rejections.dropped
        ).named(),
        details={"source": config.evaluation.gold},
    )
