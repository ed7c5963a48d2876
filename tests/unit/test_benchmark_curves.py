"""Curves of further sets over a loop's iterations, by set and by group, with intervals."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from judgeloop.report.benchmark_columns import ALL, COLUMNS
from judgeloop.report.benchmark_curves import benchmark_curves
from judgeloop.report.bias import bias_rows
from judgeloop.report.charts import draw_charts
from judgeloop.report.drawing import Chart
from judgeloop.report.history import Estimate, LoopHistory, read_history
from judgeloop.report.page import html_page, markdown_page
from judgeloop.report.summary import interval
from judgeloop.runtime.ledger import Entry
from judgeloop.runtime.stages.benchmark import flat_figures
from judgeloop.runtime.stages.evaluate import evaluate
from judgeloop.schema.records import ModelRef
from judgeloop.schema.results import Scores
from judgeloop.store import FolderStore
from tests.benchmark_rows import mm_row, rlhf_row, vl_row, write_lines
from tests.history_fixture import SampleLoop
from tests.unit.test_benchmark_stage import configured
from tests.unit.test_images import picture

JUDGES = ("scripted:skill=0.5,gain=0.5", "scripted:skill=1.0,gain=0.5")
PREFIXES = ("wildvision-battle-", "RLAIF-V-", "mathverse_")
MM = {
    "nocaps": "open_generation/correctness_task", "visitbench": "open_generation/preference_task",
    "mmmu-s": "knowledge", "mathvista": "reasoning", "EMMA": "reasoning", "pairs": "safety",
    "MMBench": "vqa",
}  # fmt: skip


def write_sets(folder: Path) -> dict[str, Path]:
    """Three named sets with items in every group, and pictures; and a file of pairs."""
    vl = [vl_row(n, prefix=PREFIXES[n % 3], ranking=(n % 2, 1 - n % 2)) for n in range(24)]
    mm = [mm_row(f"{name}_{n}", kind, n % 2 == 0) for name, kind in MM.items() for n in range(4)]
    kinds = ("mcq", "long", "short", "safety", "video")
    endings = {kind: "mp4" if kind == "video" else "png" for kind in kinds}
    rlhf = [
        rlhf_row(f"{kind}{n}", n, f"{kind}/{n}.{endings[kind]}") for kind in kinds for n in range(2)
    ]
    rows = {"vl": (vl, "image_path"), "mm": (mm, "Image"), "rlhf": (rlhf, "image")}
    for name, (made, field) in rows.items():
        for number, row in enumerate(made):
            path = folder / name / str(row.get(field) or row["video"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture(number))
    write_lines(folder / "vl" / "data.jsonl", vl)
    (folder / "mm" / "all_data.json").write_text(json.dumps(mm))
    write_lines(folder / "rlhf" / "mm_reward_bench.jsonl", rlhf)
    (folder / "a.png").write_bytes(picture(0))
    more = [
        {"id": f"g{n}", "images": ["a.png"], "question": "What?", "kind": "caption",
         "category": "xy"[n % 2], "chosen": f"a bus {n}", "rejected": f"a car {n}"}
        for n in range(8)
    ]  # fmt: skip
    return {
        "vl-rewardbench": folder / "vl", "mm-rewardbench": folder / "mm",
        "mm-rlhf-rewardbench": folder / "rlhf", "more": write_lines(folder / "more.jsonl", more),
    }  # fmt: skip


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> SampleLoop:
    """A loop whose judges the real stage evaluated on four further sets."""
    folder = tmp_path_factory.mktemp("sets")
    data = write_sets(folder)
    more = data.pop("more")
    config = configured(f"[{', '.join(data)}, {more}]", data)
    made = SampleLoop(folder / "loop")
    store = FolderStore(folder / "store")
    for number, base in enumerate(JUDGES):
        manifest = evaluate(config, store, number, ModelRef(base=base))
        made.ledger.record(Entry(stage="evaluate", iteration=number, manifest=manifest))
    return made


@pytest.fixture(scope="module")
def history(loop: SampleLoop) -> LoopHistory:
    return read_history(loop.ledger, "SUCCEEDED")


@pytest.fixture(scope="module")
def charts(history: LoopHistory) -> dict[str, Chart]:
    return {chart.name: chart for chart in draw_charts(history)}


def test_every_set_has_a_curve_of_all_items_and_one_of_each_group(history: LoopHistory) -> None:
    found = {one.name: one for one in benchmark_curves(history)}
    assert sorted(found) == ["mm-rewardbench", "mm-rlhf-rewardbench", "more", "vl-rewardbench"]
    for name in COLUMNS:
        # a video is shown to no engine here, so its group has no figure
        groups = [one for one in COLUMNS[name] if one.group and one.title != "Video"]
        expected = {one.title for one in groups if one.group != ALL}
        titles = [panel.title for panel in found[name].panels]
        assert titles[0].endswith("(all items)")
        assert set(titles[1:]) == expected
    assert [panel.title for panel in found["more"].panels] == ["all items", "x", "y"]


def test_every_point_of_a_curve_has_an_interval_around_it(history: LoopHistory) -> None:
    points = [
        (one.name, group, name, at, estimate)
        for one in benchmark_curves(history)
        for group, name, cells in one.rows
        for at, estimate in cells.items()
    ]
    assert {at for *_, at, _ in points} == {0, 1}
    for point in points:
        one = point[-1]
        assert isinstance(one, Estimate)
        assert one.low is not None, point
        assert one.high is not None, point
        assert 0 <= one.low <= one.value <= one.high <= 1, point
        assert one.low < one.high, point


def test_the_report_draws_each_set_by_group_and_all_sets_side_by_side(
    loop: SampleLoop, history: LoopHistory, charts: dict[str, Chart]
) -> None:
    assert {f"benchmark-{name}" for name in (*COLUMNS, "more")} < set(charts)
    assert "mm-rewardbench, official: " in charts["benchmarks"].label
    assert "Coding" in charts["benchmark-mm-rewardbench"].svg
    html = html_page(history, loop.config, list(charts.values()), None)
    assert html.count("<svg") == len(charts)
    for page in (html, markdown_page(history, loop.config)):
        assert "Hallucination" in page
        assert "do not use these figures" in page or "### more, by group" in page


def test_more_categories_than_colours_are_drawn_too(
    history: LoopHistory, charts: dict[str, Chart]
) -> None:
    gold = history.evaluated[0].gold
    assert gold is not None
    assert len(gold.categories) > 6
    for category in gold.categories:
        assert category.name in charts["categories"].svg


def test_lists_of_figures_have_numbers_and_intervals_have_ends() -> None:
    cells = [{"right": 0.5, "votes": 2}, {"right": 1.0, "votes": 4}]
    found = flat_figures("voting", {"calibration": cells, "interval": [0.1, 0.2]})
    assert found["voting/calibration/1/right"] == 1.0
    assert (found["voting/interval/low"], found["voting/interval/high"]) == (0.1, 0.2)
    assert not [name for name in found if "calibration/low" in name]


def test_bias_stand_beside_the_figures_and_say_how_often_a_judge_prefers_its_base(
    loop: SampleLoop, history: LoopHistory
) -> None:
    found = {(one.name, one.iteration): one for one in bias_rows(history)}
    gold = found["gold pairs", 0]
    scores = history.evaluated[0].gold
    assert scores is not None
    assert gold.first_position
    assert (gold.first_position.low or 0) < (gold.first_position.high or 0)
    strictly = found["vl-rewardbench", 1].first_position
    assert strictly
    assert strictly.low is not None
    assert gold.decided_only == pytest.approx(scores.accuracy.value / (1 - scores.undecided))
    assert found["vl-rewardbench", 1].voting_gain is not None
    (entry,) = [one for one in loop.ledger.entries() if one.stage == "evaluate" and one.iteration]
    assert entry.manifest is not None
    made = entry.manifest.expect(Scores)
    said = {"own_answers/preferred": 0.7125, "own_answers/better": 0.3125}
    said |= {
        f"own_answers/preferred_interval/{end}": at for end, at in (("low", 0.6), ("high", 0.8))
    }
    further = made.further | {"vl-rewardbench": made.further["vl-rewardbench"] | said}
    changed = msgspec.structs.replace(made, further=further)
    manifest = msgspec.structs.replace(entry.manifest, result=changed)
    item = msgspec.structs.replace(
        history.iterations[1], gold=msgspec.structs.replace(scores, manifest=manifest)
    )
    told = msgspec.structs.replace(history, iterations=(history.iterations[0], item))
    for page in (html_page(told, loop.config, [], None), markdown_page(told, loop.config)):
        assert "0.713 [0.600, 0.800] (0.312)" in page or "0.712 [0.600, 0.800] (0.312)" in page
        assert interval(gold.first_position) in page
        assert "right if decided" in page
