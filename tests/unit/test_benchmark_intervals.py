"""Intervals of official figures, clustered by image; votes over samples; labels to look at."""

import json
from pathlib import Path

import numpy as np
import pytest

from judgeloop.cli.main import main
from judgeloop.evaluation.benchmarks.base import Output
from judgeloop.evaluation.benchmarks.intervals import ALL, MACRO, Outcome, outcome_intervals
from judgeloop.evaluation.benchmarks.mm_rlhf_rewardbench import MM_RLHF_REWARDBENCH
from judgeloop.evaluation.benchmarks.score import score
from judgeloop.evaluation.benchmarks.vl_rewardbench import VL_REWARDBENCH
from judgeloop.evaluation.benchmarks.voting import voting
from judgeloop.evaluation.bias import longer_preference
from judgeloop.evaluation.statistics import wilson
from judgeloop.evaluation.suspects import find_suspects
from judgeloop.schema.errors import DataError
from judgeloop.schema.records import Choice, ItemResult
from tests.benchmark_rows import better, rlhf_output, rlhf_row, vl_output, vl_row, write_lines
from tests.unit.test_comparison import FIRST, RIGHT, A, B, outputs, results

WRONG = (B, A)


def test_items_with_images_of_their_own_have_wilsons_intervals_and_their_groups_mean_one() -> None:
    found = outcome_intervals(
        [Outcome("x", f"{n}", n % 4 > 0) for n in range(40)] + [Outcome("y", "", True)] * 20
    )
    assert found["x"] == pytest.approx(wilson(30, 40))
    assert found["y"] == pytest.approx(wilson(20, 20))
    assert found[ALL] == pytest.approx(wilson(50, 60))
    assert found[MACRO].low < (0.75 + 1) / 2 < found[MACRO].high
    assert outcome_intervals([]) == {}


def test_items_about_one_image_widen_a_figures_interval_and_never_narrow_it() -> None:
    alike = [Outcome("x", f"{n // 8}", (n // 8) % 2) for n in range(160)]
    opposed = [Outcome("x", f"{n // 2}", n % 2) for n in range(160)]
    alone = wilson(80, 160)
    for outcomes in (alike, opposed):
        low, high = outcome_intervals(outcomes)["x"]
        assert low <= alone.low + 1e-9
        assert high >= alone.high - 1e-9
    wide = outcome_intervals(alike)[ALL]
    assert wide.high - wide.low > 2 * (alone.high - alone.low)


@pytest.mark.slow
@pytest.mark.parametrize("images", [30, 100])
def test_a_clustered_figures_interval_holds_the_truth_in_about_95_of_100_samples(
    images: int,
) -> None:
    generator = np.random.default_rng(2)
    held = {"x": 0, ALL: 0, MACRO: 0}
    runs = 200
    for _ in range(runs):
        outcomes = []
        for at, share in enumerate(generator.beta(2, 2, images)):  # mean 0.5 in both groups
            for number in range(int(generator.integers(1, 7))):
                right = float(generator.random() < share)
                outcomes.append(Outcome("xy"[number % 2], str(at), right))
        found = outcome_intervals(outcomes)
        for name in held:
            held[name] += found[name].low <= 0.5 <= found[name].high
    for count in held.values():
        assert 0.90 <= count / runs <= 0.99


def test_a_vote_over_samples_is_compared_with_a_single_one_and_with_its_own_confidence() -> None:
    first, second = VL_REWARDBENCH.endings
    texts = [first, first, second] * 3 + [second, second, first] + ["no verdict"] * 3
    found = voting(
        VL_REWARDBENCH,
        [Output(item=f"{at // 3}", chosen_first=True, sample=at % 3, text=text)
         for at, text in enumerate(texts)],
    )  # fmt: skip
    assert found is not None
    assert (found["orders"], found["samples"]) == (5, 3)
    assert found["majority"] == 3 / 5
    assert found["single"] == pytest.approx((3 * 2 + 1) / 15)
    assert found["gain"] == pytest.approx(3 / 5 - 7 / 15)
    (row,) = found["calibration"]
    assert (row["votes"], row["right"]) == (4, 0.75)
    assert found["expected_calibration_error"] == pytest.approx(0.75 - 2 / 3)


def test_two_samples_of_an_order_are_no_vote() -> None:
    pair = [Output(item="a", chosen_first=True, sample=n, text="x") for n in range(2)]
    assert voting(VL_REWARDBENCH, pair) is None


def test_what_prefers_the_longer_answer_is_told_by_clear_verdicts_alone() -> None:
    def item(verdicts: tuple[Choice, Choice], lengths: tuple[int, int]) -> ItemResult:
        return ItemResult(item_id="i", category="x", chosen_first=verdicts[0],
                          rejected_first=verdicts[1], lengths=lengths)  # fmt: skip

    longer = [item(RIGHT, (9, 5)), item(WRONG, (5, 9)), item(WRONG, (9, 5))]
    found = longer_preference(longer)
    assert found
    assert found.value == 2 / 3
    assert longer_preference([item(FIRST, (9, 5)), item(RIGHT, (5, 5))]) is None


def test_items_that_no_judge_gets_right_are_listed_unless_all_are_unclear() -> None:
    judges = {
        "a": results([WRONG, WRONG, FIRST, RIGHT]),
        "b": results([WRONG, FIRST, FIRST, WRONG]),
    }
    found = find_suspects(judges, contradicting=["item-003"])
    assert [(one.item, one.reasons, one.judges) for one in found] == [
        ("item-000", ("missed_by_all",), 2),
        ("item-001", ("missed_by_all",), 1),
        ("item-003", ("contradicts_reference",), 1),
    ]
    with pytest.raises(DataError, match="different items"):
        find_suspects({"a": results([RIGHT]), "b": results([RIGHT, RIGHT])})


def test_two_judges_saved_outputs_are_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [outputs(tmp_path, "a", 30), outputs(tmp_path, "b", 10)]
    arguments = ["--benchmark", "vl-rewardbench", "--data", str(tmp_path)]
    assert main(["compare", *files, *arguments]) == 0
    said = capsys.readouterr().out
    assert "a.jsonl is better than" in said
    assert "+0.500 in both-order accuracy" in said
    assert "20 won and 0 lost" in said


def test_the_command_writes_the_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [outputs(tmp_path, "a", 30), outputs(tmp_path, "b", 10)]
    out = tmp_path / "s.jsonl"
    arguments = ["--benchmark", "vl-rewardbench", "--data", str(tmp_path), "--out", str(out)]
    assert main(["suspects", *files, *arguments]) == 0
    assert "0 items to review" in capsys.readouterr().out
    assert [json.loads(line) for line in out.read_text().splitlines()] == []


def test_figures_under_other_maps_and_over_questions_have_intervals_too(tmp_path: Path) -> None:
    rows = [vl_row(n, prefix=("RLHF-V-", "wildvision-battle-")[n % 2]) for n in range(12)]
    said = [vl_output(row, better(1 + (n % 3 == 0))) for n, row in enumerate(rows)]
    data = write_lines(tmp_path / "data.jsonl", rows)
    found = score(VL_REWARDBENCH, data, write_lines(tmp_path / "out.jsonl", said))
    assert found.maps["r1_reward"]["intervals"]["general"] == found.intervals["all"]
    pairs = [rlhf_row(f"question {n // 2}", n) for n in range(8)]
    judged = [rlhf_output(row, n != 0) for n, row in enumerate(pairs)]
    place = write_lines(tmp_path / "mm_reward_bench.jsonl", pairs)
    asked = score(MM_RLHF_REWARDBENCH, place, write_lines(tmp_path / "rlhf.jsonl", judged))
    assert asked.official["all"]["acc_plus"] == 0.75
    assert asked.intervals["acc_plus"] == wilson(3, 4)
