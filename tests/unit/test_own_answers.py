"""Preference for the answers of a judge's own base, where rows say who wrote them."""

import json
from pathlib import Path

import pytest

from judgeloop.cli.main import main
from judgeloop.evaluation.benchmarks.base import writers
from judgeloop.evaluation.benchmarks.vl_rewardbench.load import load
from judgeloop.evaluation.own_answers import OwnAnswers, own_answers
from judgeloop.evaluation.statistics import wilson
from judgeloop.schema.records import Choice, ItemResult
from tests.benchmark_rows import shared, vl_row, write_lines
from tests.unit.test_comparison import FIRST, RIGHT, A, B, outputs, results

WRONG = (B, A)
OURS_IS_BETTER, OURS_IS_WORSE, BOTH = ("Org/Ours", "x"), ("x", "ours"), ("ours", "ours")


def judged(*rows: tuple[tuple[Choice, Choice], tuple[str, str]], base: str = "ours") -> OwnAnswers:
    items = results([verdicts for verdicts, _ in rows])
    named = {item.item_id: by for item, (_, by) in zip(items, rows, strict=True)}
    return own_answers(items, named, base)


def test_the_own_answer_counts_wherever_it_stands_and_the_truth_stands_beside_it() -> None:
    found = judged(
        (RIGHT, OURS_IS_BETTER), (WRONG, OURS_IS_BETTER), (WRONG, OURS_IS_WORSE),
        (WRONG, OURS_IS_WORSE), (RIGHT, OURS_IS_WORSE),
        (FIRST, OURS_IS_BETTER), (RIGHT, BOTH), (RIGHT, ("x", "y")),
        base="hub/OURS",
    )  # fmt: skip
    assert (found.preferred, found.better, found.items) == (3 / 5, 2 / 5, 5)
    interval, expected = found.preferred_interval, wilson(3, 5)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(
    ("rows", "base", "reason"),
    [
        ([], "ours", "nothing says which model wrote"),
        ([(RIGHT, OURS_IS_BETTER)], "", "not named; the rows name Org/Ours, x"),
        ([(RIGHT, ("x", "y"))], "ours", "no item has one answer by ours; the rows name x, y"),
        ([(RIGHT, BOTH)], "ours", "no item has one answer by ours"),
        ([(RIGHT, OURS_IS_BETTER)], "our", "no item has one answer by our"),
        ([(FIRST, OURS_IS_BETTER)], "ours", "none of the 1 items with one answer by ours"),
    ],
)
def test_where_there_is_no_figure_a_reason_says_why(
    rows: list[tuple[tuple[Choice, Choice], tuple[str, str]]], base: str, reason: str
) -> None:
    found = judged(*rows, base=base)
    assert (found.preferred, found.better, found.items) == (None, None, 0)
    assert reason in found.reason


def test_probes_have_no_own_answer() -> None:
    probe = ItemResult(item_id="p", category="x", chosen_first=A, rejected_first=B, identical=True)
    assert own_answers([probe], {"p": OURS_IS_BETTER}, "ours").items == 0


def test_a_rows_models_follow_its_label_and_an_unreadable_cell_costs_no_row(tmp_path: Path) -> None:
    rows = [
        vl_row(0, ranking=(0, 1)), vl_row(1, ranking=(1, 0)),
        {**vl_row(2), "models": None}, {**vl_row(3), "models": ["one", 2]},
    ]  # fmt: skip
    items = load(write_lines(tmp_path / "data.jsonl", rows)).items
    assert [item.writers for item in items] == [("one", "two"), ("two", "one"), None, None]


def test_planted_noise_is_never_the_better_response_of_the_real_rows() -> None:
    noise = [by for by in writers(load(shared("benchmarks/vl_rewardbench")).items).values()
             if "injected_noise" in by]  # fmt: skip
    assert len(noise) == 68
    assert all(worse == "injected_noise" for _, worse in noise)


def test_the_command_shows_the_preference_of_a_named_base(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [outputs(tmp_path, "a", 40), outputs(tmp_path, "b", 10)]
    arguments = ["compare", *files, "--benchmark", "vl-rewardbench", "--data", str(tmp_path)]
    assert main([*arguments, "--base", "one", "--base", "org/two"]) == 0
    shown = capsys.readouterr().out
    assert "own answer  1.000 [0.912, 1.000]  0.000 [0.000, 0.278]" in shown
    assert "Own answers, A: of 40 clear verdicts; the own answer is better on 1.000." in shown
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["own_answers"]
    assert [one["preferred"] for one in found] == [None, None]
    assert "the rows name one, two" in found[0]["reason"]
    assert main([*arguments, *["--base", "one"] * 3]) == 2
    assert "once for both judges" in capsys.readouterr().err
