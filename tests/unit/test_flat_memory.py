"""Ten times the rows take no more memory; `make memory` measures it for whole processes."""

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from judgeloop.data.convert.conversion import convert
from judgeloop.data.images import SourceImages
from judgeloop.data.rows import QuestionRow, image_names, read_questions
from judgeloop.data.source import Source
from judgeloop.evaluation.scores import ScoreTally
from judgeloop.report.gallery import draw_gallery
from judgeloop.report.history import read_history
from judgeloop.runtime.ledger import Entry, Ledger
from judgeloop.runtime.stages.filter import filter_judgements
from judgeloop.schema.config import ReportSection, load_config
from judgeloop.schema.keys import content_key
from judgeloop.schema.records import Choice, ItemResult, Judgement, Manifest, Order, Pair, Verdict
from judgeloop.schema.results import Scores
from judgeloop.store import FolderStore
from judgeloop.store.images import ImageLibrary, packer
from judgeloop.store.shards import Work, finish, read_shards, write_shards
from tests.conftest import REPOSITORY
from tests.unit.test_decide import validation
from tests.unit.test_filter import pair
from tests.unit.test_images import picture

MICRO = REPOSITORY / "pipelines" / "configs" / "micro.yaml"
FEW, MANY = 200, 2000
SHARD = 50
SLACK = 192 * 1024
"""Bytes for what may grow: shards in manifests, and 16 bytes a row that `filter` draws from."""


def peak(work: Callable[[], object]) -> int:
    """The most memory that Python held at a time during some work, in bytes."""
    gc.collect()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture(autouse=True)
def usual_garbage_collection() -> Iterator[None]:
    """A task that an earlier test ran in this process has made collections rare."""
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


def assert_flat(
    prepare: Callable[[Path, int], Callable[[], object]],
    folder: Path,
    few_rows: int = FEW,
    many_rows: int = MANY,
) -> None:
    """Fails where more rows take more memory, by the least of three measurements.

    tracemalloc sees the whole process: a thread that an earlier test left running adds to a peak,
    but nothing takes away from it.
    """
    prepare(folder / "warm", many_rows)()  # imports, caches, and the interpreter's table of names
    few = peak(prepare(folder / str(few_rows), few_rows))
    for attempt in range(3):
        many = peak(prepare(folder / f"{many_rows}-{attempt}", many_rows))
        if many <= few * 1.2 + SLACK:
            return
    assert many <= few * 1.2 + SLACK, f"{few} bytes for {few_rows} rows, {many} for {many_rows}"


def batches(rows: int) -> Iterator[list[Pair]]:
    for start in range(0, rows, SHARD):
        yield [pair(number) for number in range(start, min(start + SHARD, rows))]


def judgements(of: Pair) -> list[Judgement]:
    """Every second pair is judged right in both orders, the others by position."""
    right = int(of.id.removeprefix("pair")) % 2
    return [
        Judgement(
            pair_id=of.id, order=order, sample=0, text="because " * 40, finish_reason="stop",
            tokens=41, verdict=Verdict(choice=choice),
        )
        for order, choice in zip(Order, (Choice.A, Choice.B if right else Choice.A), strict=True)
    ]  # fmt: skip


def stored(store: FolderStore, rows: int, stage: str, work: Callable[..., Work]) -> Manifest:
    header = Manifest(
        stage=stage, stage_version=1, key=content_key(stage, rows), partition=0,
        inputs=(content_key("synthesize", rows),), details={"pairs": content_key("hold_out", rows)},
    )  # fmt: skip
    return finish(store, write_shards(store, header, batches(rows), work))


@pytest.mark.parametrize(
    "changes",
    [[], ["filtering.max_examples=150"], ["filtering.both_orders=false"]],
    ids=["all", "capped", "balanced"],
)
def test_filter(tmp_path: Path, changes: list[str]) -> None:
    def prepare(folder: Path, rows: int) -> Callable[[], object]:
        store = FolderStore(folder)
        pairs = stored(store, rows, "synthesize", Work)
        judged = stored(
            store, rows, "judge", lambda batch: Work([j for p in batch for j in judgements(p)])
        )
        config = load_config(MICRO, changes)
        return lambda: filter_judgements(config, store, [pairs], [judged])

    assert_flat(prepare, tmp_path)


def test_the_reports_gallery(tmp_path: Path) -> None:
    def result(of: Pair, right: bool) -> ItemResult:
        return ItemResult(
            item_id=of.id, category="caption", chosen_first=Choice.A,
            rejected_first=Choice.B if right else Choice.A,
            chosen_first_text="because " * 40, rejected_first_text="because " * 40,
        )  # fmt: skip

    def prepare(folder: Path, rows: int) -> Callable[[], object]:
        store = FolderStore(folder)
        ledger = Ledger(store, "loop")
        held_out = stored(store, rows, "hold_out", Work)
        for iteration in (0, 1):
            made = stored(
                store, rows, f"validate{iteration}",
                lambda batch, at=iteration: Work([result(p, at == 1) for p in batch]),
            )  # fmt: skip
            scores = msgspec.structs.replace(
                validation(iteration, 0.5).expect(Scores), pairs=held_out.key
            )
            made = msgspec.structs.replace(made, result=scores)
            ledger.record(Entry(stage="validate", iteration=iteration, manifest=made))
        history = read_history(ledger, "")
        images = ImageLibrary(store, 1000)

        def draw() -> None:
            gallery = draw_gallery(history, store, images, ReportSection(), seed=0)
            assert gallery is not None
            assert len(gallery.right) == ReportSection().gallery
            assert gallery.rights == rows
            assert not any(card.base_was_right for card in gallery.right)

        return draw

    assert_flat(prepare, tmp_path)


def test_the_baselines(tmp_path: Path) -> None:
    def result(of: Pair) -> ItemResult:
        return ItemResult(
            item_id=of.id, category="caption", chosen_first=Choice.A, rejected_first=Choice.B,
            chosen_first_text="because " * 40, lengths=(len(of.chosen), len(of.rejected)),
        )  # fmt: skip

    def prepare(folder: Path, rows: int) -> Callable[[], object]:
        store = FolderStore(folder)
        judged = stored(store, rows, "validate", lambda batch: Work([result(p) for p in batch]))

        def scored() -> Scores:
            tally = ScoreTally()
            for results in read_shards(store, judged, ItemResult):
                tally.add(results)
            return tally.scores("pairs", "protocol")

        return scored

    assert_flat(prepare, tmp_path)


def test_what_ingest_knows_of_rows_and_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packer, "PACK_IMAGES", 50)

    def prepare(folder: Path, rows: int) -> Callable[[], object]:
        data = FolderStore(folder / "data")
        (folder / "data").mkdir(parents=True)
        with (folder / "data" / "rows.jsonl").open("w") as file:
            for number in range(rows):
                (folder / "data" / f"{number}.bmp").write_bytes(picture(number))
                fields = f'"images": ["{number}.bmp"], "text": "count", "kind": "number"'
                file.write(f'{{"id": "q{number}", {fields}}}\n')
        source = Source(data, folder / "data" / "rows.jsonl", "rows")

        def read() -> None:
            images = SourceImages(data, image_names(source, QuestionRow, None))
            images.scan()
            with ImageLibrary(FolderStore(folder / "store"), 1000).adding() as add:
                images.add_all(add)
            assert sum(1 for _ in read_questions(source, images, None, {})) == rows

        return read

    assert_flat(prepare, tmp_path)


def test_a_conversion(tmp_path: Path) -> None:
    def prepare(folder: Path, rows: int) -> Callable[[], object]:
        folder.mkdir(parents=True)
        with (folder / "rows.jsonl").open("w") as file:
            for number in range(rows):
                (folder / f"{number}.bmp").write_bytes(picture(number))
                fields = f'"image": "{number}.bmp", "text": "{f"count {number} " * 50}"'
                file.write(f'{{"id": "q{number}", {fields}}}\n')

        def converted() -> None:
            found = convert(str(folder / "rows.jsonl"), folder / "out", {})
            assert found.questions == rows

        return converted

    # What a DiskDict holds back until it writes is full by then.
    assert_flat(prepare, tmp_path, 1200, 2400)
