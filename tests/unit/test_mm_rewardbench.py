"""Multimodal RewardBench: rows that share an id, the coin, the groups and the official digits."""

import json
from collections import Counter
from pathlib import Path

import pytest

from judgeloop.evaluation.benchmarks.mm_rewardbench import MM_REWARDBENCH
from judgeloop.evaluation.benchmarks.mm_rewardbench.load import group, load
from judgeloop.evaluation.benchmarks.mm_rewardbench.parse import official, preferred
from judgeloop.evaluation.benchmarks.score import Score, score
from judgeloop.schema.errors import DataError
from tests.benchmark_rows import Row, mm_output, mm_row, shared, write_lines

FIXTURE = "format_fixtures/mm_rewardbench_format"
FULL = "benchmarks/mm_rewardbench"
CORRECTNESS = "open_generation/correctness_task"


def scored(folder: Path, rows: list[Row], outputs: list[Row]) -> Score:
    (folder / "all_data.json").write_text(json.dumps(rows))
    return score(MM_REWARDBENCH, folder, write_lines(folder / "outputs.jsonl", outputs))


@pytest.mark.parametrize("data", ["", "data", "data/all_data.json"])
def test_the_fixture_has_the_official_scores_to_the_digit(data: str) -> None:
    folder = shared(FIXTURE)
    expected = json.loads((folder / "expected_scores.json").read_text())
    found = score(MM_REWARDBENCH, folder / data, folder / "judge_outputs.jsonl")
    assert found.official == expected["expected"]
    assert found.lines == expected["official_stdout"]
    assert found.details["undecided_ids"] == expected["undecided_ids"]
    assert found.details["both_verdicts_ids"] == expected["both_verdicts_ids"]


def test_the_release_has_its_counted_sizes() -> None:
    sizes = Counter(item.group for item in load(shared(FULL)).items)
    assert sizes == {
        CORRECTNESS: 623, "open_generation/preference_task": 654, "knowledge": 630,
        "reasoning/math": 514, "reasoning/coding": 582, "safety/bias": 508, "vqa": 1200,
    }  # fmt: skip
    assert sizes.total() == 4711


def test_the_releases_229_repeated_ids_are_items_of_their_own() -> None:
    items = load(shared(FULL)).items
    by_id: dict[str, list[int]] = {}
    for item in items:
        by_id.setdefault(item.id, []).append(item.better)
    repeated = [labels for labels in by_id.values() if len(labels) > 1]
    assert len(repeated) == 229
    assert sum(len(set(labels)) == 2 for labels in repeated) == 117
    assert len({item.key for item in items}) == 4711


def test_a_right_judge_is_right_on_every_real_row_and_a_join_by_id_would_lose_117(
    tmp_path: Path,
) -> None:
    folder = shared(FULL)
    items = load(folder).items
    parts = {"safety": "safety", "reasoning": "reasoning"}
    lines = [
        {"ID": item.id, "Label": "AB"[item.better], "output": f"[[{'AB'[item.better]}]]",
         "Meta": {"Category": parts.get(item.group.split("/")[0], item.group)}}
        for item in items
    ]  # fmt: skip
    found = score(MM_REWARDBENCH, folder, write_lines(tmp_path / "outputs.jsonl", lines))
    assert found.official["all"] == {"correct": 4711, "total": 4711, "accuracy": 1.0}
    assert (found.missing, found.faults) == ([], [])
    last_label = {item.id: item.better for item in items}
    assert sum(last_label[item.id] != item.better for item in items) == 117


def test_rows_of_one_id_with_opposite_labels_are_both_scored(tmp_path: Path) -> None:
    rows = [mm_row("mathvista_1", "reasoning"), mm_row("mathvista_1", "reasoning", first=False)]
    found = scored(tmp_path, rows, [mm_output(row, "[[A]]") for row in rows])
    assert found.official["reasoning/math"] == {"correct": 1, "total": 2, "accuracy": 0.5}
    reversed_lines = [mm_output(row, "[[A]]") for row in rows[::-1]]
    assert scored(tmp_path, rows, reversed_lines).official == found.official


@pytest.mark.parametrize(
    ("item_id", "category", "expected"),
    [
        ("pairs_1", "safety", "safety/bias"),
        ("PAIRS_1", "safety", "safety/bias"),
        ("hateful_1", "safety", "safety/toxicity"),
        ("mathvista_1", "reasoning", "reasoning/math"),
        ("EMMA-Coding_1", "reasoning", "reasoning/coding"),
        ("mathvista_1", "knowledge", "knowledge"),
    ],
)
def test_two_categories_are_cut_in_two_by_id(item_id: str, category: str, expected: str) -> None:
    assert group(item_id, category) == expected


@pytest.mark.parametrize(
    ("text", "officially", "strictly"),
    [
        ("[[A]]", 1, 1),
        ("so [[B]].", 2, 2),
        ("[[B]], not [[A]]", 1, None),
        ("A is better", None, None),
        ("[[C]]", None, None),
        ("None", None, None),
    ],
)
def test_both_verdicts_are_officially_a_and_strictly_none(
    text: str, officially: int | None, strictly: int | None
) -> None:
    assert (official(text), preferred(text)) == (officially, strictly)


def test_the_coin_is_seeded_once_and_drawn_for_undecided_lines_alone(tmp_path: Path) -> None:
    rows = [mm_row(f"nocaps_{number}", CORRECTNESS) for number in range(12)]
    texts = ["unclear"] * 6 + ["[[A]]"] * 6
    found = scored(tmp_path, rows, [mm_output(row, t) for row, t in zip(rows, texts, strict=True)])
    # random.seed(123): .052 .087 .407 .108 .901 .037 -> A A A A B A
    assert found.official["all"]["correct"] == 5 + 6
    mixed = [mm_output(row, t) for row, t in zip(rows, texts[::-1], strict=True)]
    assert scored(tmp_path, rows, mixed).official == found.official  # decided lines draw nothing


@pytest.mark.parametrize("first", [True, False])
def test_a_failed_request_is_a_coin_officially_and_named(tmp_path: Path, first: bool) -> None:
    row = mm_row("nocaps_1", CORRECTNESS, first=first)
    found = scored(tmp_path, [row], [mm_output(row, "None")])
    # random.seed(123): the first draw is .052, which is A; it is not wrong because it failed
    assert found.official["all"] == {"correct": int(first), "total": 1, "accuracy": float(first)}
    assert found.fault_counts["failed_request"] == 1


def test_several_samples_are_named_and_the_first_one_counts(tmp_path: Path) -> None:
    row = mm_row("nocaps_1", CORRECTNESS)
    line = mm_output(row, "", outputs=["[[A]]", "[[B]]"])
    found = scored(tmp_path, [row], [{k: v for k, v in line.items() if k != "output"}])
    assert found.official["all"]["correct"] == 1
    assert found.fault_counts["several_samples"] == 1


def test_bad_lines_are_named_and_counted(tmp_path: Path) -> None:
    rows = [mm_row("nocaps_1", CORRECTNESS), mm_row("nocaps_2", CORRECTNESS)]
    outputs = [
        mm_output(rows[0], "[[A]]"),
        mm_output(rows[0], "[[A]]"),  # one line more than rows
        mm_output(rows[1], "[[A]]", Label="B"),
        mm_output(rows[1], "[[A]]", Label="C"),
        {"ID": "nocaps_2", "Label": "A", "Meta": {"Category": CORRECTNESS}},
    ]
    found = scored(tmp_path, rows, outputs)
    assert found.official["all"]["correct"] == 2  # by the data's label
    assert found.fault_counts == {
        "unknown_item": 1, "label_differs": 1, "bad_row": 2, "one_order": 1,
    }  # fmt: skip


def test_a_row_of_an_unknown_category_is_named(tmp_path: Path) -> None:
    good = mm_row("nocaps_1", CORRECTNESS)
    found = scored(tmp_path, [good, mm_row("x_1", "poetry")], [mm_output(good, "[[A]]")])
    assert (found.data["items"], found.fault_counts["bad_row"]) == (1, 1)
    assert "poetry" in found.faults[0].detail


def test_the_papers_seven_column_mean_stands_beside_the_micro_average(tmp_path: Path) -> None:
    columns = {"nocaps_1": CORRECTNESS, "v_1": "open_generation/preference_task",
               "m_1": "knowledge", "math_1": "reasoning", "emma_1": "reasoning",
               "pairs_1": "safety", "seed_1": "vqa", "seed_2": "vqa"}  # fmt: skip
    rows = [mm_row(item_id, category) for item_id, category in columns.items()]
    outputs = [mm_output(row, "[[B]]" if row["ID"] == "seed_2" else "[[A]]") for row in rows]
    found = scored(tmp_path, rows, outputs)
    assert found.official["all"]["accuracy"] == 7 / 8
    assert found.maps["seven_column_mean"]["overall"] == pytest.approx(6.5 / 7)


@pytest.mark.parametrize("text", ["{", '{"ID": 1}', "[1]"])
def test_a_broken_file_is_an_error_that_names_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "all_data.json").write_text(text)
    with pytest.raises(DataError, match=r"all_data\.json"):
        load(tmp_path)
