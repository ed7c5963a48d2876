"""A benchmark's data from S3 and from a data set of the hub, and videos that nobody is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from judgeloop.evaluation.benchmarks.place import data_folder
from judgeloop.evaluation.benchmarks.vl_rewardbench.load import load
from judgeloop.runtime.stages.evaluate import evaluate
from judgeloop.schema.errors import DataError
from judgeloop.store import FolderStore
from tests.benchmark_rows import rlhf_row, write_lines
from tests.unit.test_benchmark_stage import MODEL, configured, parts, write_rlhf, write_vl

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def cached(folder: Path, revision: str) -> None:
    """Leaves a data set in the hub's cache, as a download of it does."""
    place = folder / "datasets--owner--name"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / revision).write_text(COMMIT)
    write_vl(place / "snapshots" / COMMIT)


def test_a_hub_data_set_is_taken_at_its_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    cached(tmp_path, "v1")
    with data_folder("hub:owner/name@v1") as folder:
        assert len(load(folder).items) == 12
    with pytest.raises(DataError, match="neither the hub nor the local cache"):
        data_folder("hub:owner/name@v2").__enter__()


@pytest.mark.parametrize("place", ["hub:owner/name", "hub:name@v1"])
def test_a_hub_data_set_without_a_revision_is_refused(place: str) -> None:
    with pytest.raises(DataError, match="hub:OWNER/NAME@REVISION"):
        data_folder(place).__enter__()


def test_a_prefix_on_s3_is_judged_like_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_vl(tmp_path / "vl")
    monkeypatch.setattr(
        "judgeloop.evaluation.benchmarks.place.open_store", lambda uri: FolderStore(folder)
    )
    made = [
        evaluate(
            configured("[vl-rewardbench]", {"vl-rewardbench": place}, "evaluation.count=4"),
            FolderStore(tmp_path / f"store-{at}"), 1, MODEL,
        )
        for at, place in enumerate((folder, "s3://bucket/vl"))
    ]  # fmt: skip
    assert made[0] == made[1]


def test_an_empty_prefix_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "judgeloop.evaluation.benchmarks.place.open_store", lambda uri: FolderStore(tmp_path)
    )
    with pytest.raises(DataError, match="s3://bucket/nothing: holds nothing"):
        data_folder("s3://bucket/nothing").__enter__()


def test_videos_are_left_out_and_counted_as_such(tmp_path: Path) -> None:
    folder = write_rlhf(tmp_path / "rlhf")
    rows = [rlhf_row("a", n, f"mcq/{n}.png") for n in range(4)]
    rows += [rlhf_row("b", n, f"video/{n}.mp4") for n in range(2)]
    (folder / "video").mkdir()
    (folder / "video" / "0.mp4").write_bytes(b"ftyp")
    write_lines(folder / "mm_reward_bench.jsonl", rows)
    config = configured("[mm-rlhf-rewardbench]", {"mm-rlhf-rewardbench": folder},
                        "evaluation.count=4")  # fmt: skip
    store = FolderStore(tmp_path / "store")
    (made,) = parts(store, evaluate(config, store, 1, MODEL))
    assert made.counts["dropped/video"] == 2
    assert "dropped/missing_image" not in made.counts
