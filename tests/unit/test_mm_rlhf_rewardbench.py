"""MM-RLHF-RewardBench: accuracy by pair, and by question whose pairs are all right."""

from collections import Counter
from pathlib import Path

import pytest

from judgeloop.evaluation.benchmarks.mm_rlhf_rewardbench import MM_RLHF_REWARDBENCH
from judgeloop.evaluation.benchmarks.mm_rlhf_rewardbench.load import load
from judgeloop.evaluation.benchmarks.mm_rlhf_rewardbench.parse import official, preferred
from judgeloop.evaluation.benchmarks.score import Score, score
from tests.benchmark_rows import Row, read_lines, rlhf_output, rlhf_row, shared, write_lines

FULL = "benchmarks/mm_rlhf_rewardbench"


def scored(folder: Path, rows: list[Row], outputs: list[Row]) -> Score:
    write_lines(folder / "mm_reward_bench.jsonl", rows)
    return score(MM_RLHF_REWARDBENCH, folder, write_lines(folder / "outputs.jsonl", outputs))


def test_the_real_rows_are_170_pairs_of_46_questions_in_five_groups() -> None:
    items = load(shared(FULL)).items
    assert (len(items), len({item.id for item in items})) == (170, 46)
    assert Counter(item.group for item in items) == {
        "mcq": 42, "long": 37, "short": 34, "safety": 32, "video": 25,
    }  # fmt: skip


def test_one_wrong_pair_of_the_real_rows_costs_one_question(tmp_path: Path) -> None:
    rows = read_lines(shared(FULL) / "mm_reward_bench.jsonl")
    outputs = [rlhf_output(row, number != 0) for number, row in enumerate(rows)]
    found = score(MM_RLHF_REWARDBENCH, shared(FULL), write_lines(tmp_path / "o.jsonl", outputs))
    whole = found.official["all"]
    assert (whole["correct"], whole["total"]) == (169, 170)
    assert (whole["questions_correct"], whole["questions"]) == (45, 46)
    assert found.lines[-3:] == ["Overall Accuracy: 0.99", "Overall ACC+: 0.98", "Total Items: 170"]


def test_a_question_is_right_only_where_all_its_pairs_are(tmp_path: Path) -> None:
    rows = [rlhf_row("a", 1), rlhf_row("a", 2), rlhf_row("b", 1, "video/b")]
    outputs = [rlhf_output(row, right) for row, right in zip(rows, (1, 0, 1), strict=True)]
    found = scored(tmp_path, rows, outputs).official
    assert found["all"]["accuracy"] == 2 / 3
    assert found["all"]["acc_plus"] == 1 / 2
    assert (found["mcq"]["accuracy"], found["mcq"]["acc_plus"]) == (0.5, 0)
    assert (found["video"]["accuracy"], found["video"]["acc_plus"]) == (1, 1)


@pytest.mark.parametrize(
    ("text", "officially", "strictly"),
    [
        ("<answer>1</answer>", 1, 1),
        ("<answer> 2 </answer>", 2, 2),
        ("<answer>1.0</answer>", 1, None),
        ("<answer>1</answer> no, <answer>2</answer>", 1, None),
        ("<answer>both</answer>", 2, None),
        ("Answer 1 has 12 errors", 2, None),
        ("no digit", 2, None),
    ],
)
def test_what_the_official_script_guesses_is_strictly_undecided(
    text: str, officially: int, strictly: int | None
) -> None:
    assert (official(text), preferred(text)) == (officially, strictly)


def test_that_the_better_response_is_always_first_is_named(tmp_path: Path) -> None:
    rows = [rlhf_row("a", number) for number in range(3)]
    found = scored(tmp_path, rows, [rlhf_output(row, True) for row in rows])
    assert found.official["all"]["accuracy"] == 1
    assert found.fault_counts == {"one_order": 1}
    assert "always prefers number 1" in found.faults[0].detail
    assert found.strict is None


def test_scores_without_texts_have_no_strict_figures(tmp_path: Path) -> None:
    rows = [rlhf_row("a", 1)]
    found = scored(tmp_path, rows, [{**rows[0], "rewards": [0.25, 0.5]}])
    assert found.official["all"]["correct"] == 0
    assert (found.strict, found.strict_reason) == (None, "the outputs hold scores and no texts")


def test_bad_lines_are_named_and_counted(tmp_path: Path) -> None:
    rows = [rlhf_row("a", 1), rlhf_row("b", 1, "elsewhere/1.png")]
    good = rlhf_output(rows[0], True)
    outputs = [good, good, {**rows[1]}, {**rlhf_output(rows[1], True), "rewards": [0, 1]}]
    found = scored(tmp_path, rows, outputs)
    assert found.fault_counts == {
        "unknown_group": 1, "unknown_item": 1, "bad_row": 1, "rewards_differ": 1, "one_order": 1,
    }  # fmt: skip
    assert (found.official["all"]["correct"], found.official["mcq"]["total"]) == (1, 1)
