"""The table of several benchmarks, and how well validation foretells gold."""

import json
import re

import msgspec
import pytest

from judgeloop.report.benchmark_table import as_latex, as_markdown, benchmark_table, table_files
from judgeloop.report.evaluated import evaluation_files
from judgeloop.report.history import Estimate, Iteration, LoopHistory
from judgeloop.report.history import Scores as Shown
from judgeloop.report.prediction import prediction
from judgeloop.schema.records import Manifest
from judgeloop.schema.results import Check, Scores
from judgeloop.schema.scorecard import CategoryScore, Interval, Scorecard

CARD = Scorecard(
    n=1, accuracy=0.5, accuracy_interval=Interval(0, 1), both_orders=0.5,
    both_orders_interval=Interval(0, 1), first_position=None, undecided_verdicts=0, undecided=0,
    categories={},
)  # fmt: skip
SCORES = Scores(card=CARD, pairs="p", protocol="q")


def scored(overall: float, strict: float, name: str = "vl-rewardbench") -> Scores:
    figures = {
        "official/overall_accuracy": overall,
        "official/accuracy_by_group/general": 50.0,
        "intervals/all/low": 0.6,
        "intervals/all/high": 0.8,
        "strict/both_orders": strict,
    }
    protocols = {name: "protocol X 1, 10 samples an order, prompt official, data a_b.parquet 12ab"}
    return msgspec.structs.replace(SCORES, further={name: figures}, protocols=protocols)


def test_a_row_is_a_judge_and_the_best_of_a_column_is_bold() -> None:
    table = benchmark_table([("start & co", scored(40.0, 0.3)), ("judge 1", scored(70.0, 0.2))])
    assert table is not None
    lines = as_markdown(table).splitlines()
    assert "vl-rewardbench Overall" in lines[0]
    assert "**70.0 [60.0, 80.0]**" in lines[3]
    assert "**30.0**" in lines[2]
    assert lines[0].count("|") == lines[1].count("|") == lines[2].count("|")
    assert "protocol X 1, 10 samples an order, prompt official" in table.caption


def test_the_latex_is_balanced_escapes_and_has_as_many_cells_in_every_row() -> None:
    table = benchmark_table([("start & co", scored(40.0, 0.3)), ("judge_1", scored(70.0, 0.2))])
    assert table is not None
    text = as_latex(table)
    assert r"start \& co" in text
    assert r"judge\_1" in text
    assert r"a\_b.parquet" in text
    assert r"\textbf{70.0 [60.0, 80.0]}" in text
    assert len(re.findall(r"(?<!\\)\{", text)) == len(re.findall(r"(?<!\\)\}", text))
    rows = [line for line in text.splitlines() if line.endswith(r"\\") and "multi" not in line]
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(table.titles)}


def test_without_a_named_benchmark_there_is_no_table_and_a_missing_figure_is_a_dash() -> None:
    assert benchmark_table([("a", SCORES)]) is None
    assert table_files(None) == {}
    both = benchmark_table([("a", scored(1, 0)), ("b", scored(1, 0, "mm-rewardbench"))])
    assert both is not None
    assert [name for name, _ in both.groups] == ["mm-rewardbench", "vl-rewardbench"]
    assert both.rows[0][1][0].text == "–"


def test_an_evaluations_tables_have_the_base_under_other_prompts_below_the_judge() -> None:
    base = scored(60.0, 0.1)
    asked = {"vl-rewardbench": "protocol X 1, prompt judgeloop's tiny-choose"}
    base = msgspec.structs.replace(base, protocols=asked)
    files = evaluation_files("one", {"judge 1": scored(40.0, 0.3), "base, prompts other": base})
    rows = files["table.txt"].splitlines()
    assert [row.split("  ")[0] for row in rows[2:4]] == ["judge 1", "base, prompts other"]
    assert "vl-rewardbench, base, prompts other" in rows
    assert "| base, prompts other | **50.0** |" in files["benchmarks.md"]
    assert "prompt official" in files["benchmarks.md"]
    assert "prompt judgeloop's tiny-choose" in files["benchmarks.md"]
    found = json.loads(files["summary.json"])
    assert found["judge"] == "judge 1"
    assert found["bases"] == {"base, prompts other": base.metrics()}


def test_an_evaluations_page_shows_every_judge_and_escapes_what_others_wrote() -> None:
    names = ("judge <1>", "base, prompts other")
    card = msgspec.structs.replace(
        CARD, categories={"closed_ended": CategoryScore(1, 1.0, 1.0, Interval(0.2, 1))}
    )
    floor = Check(name="blind/coin", holds=False, text="against 0.25 of an unbiased coin")
    made = {
        name: msgspec.structs.replace(
            scored(60.0, 0.1), card=card, baselines={"always_first": CARD},
            below_floors=(floor,), dropped={"bad_row": 2},
        )
        for name in names
    }  # fmt: skip
    text = evaluation_files("evaluation-one", made)["report.html"]
    assert "<title>judgeloop: evaluation-one</title>" in text
    assert "<h1>judge &lt;1&gt;</h1>" in text
    assert "judge <1>" not in text
    for words in (*names[1:], "always first", floor.text, "2 bad row", "closed ended",
                  "1.000 <span class=\"range\">[0.200, 1.000]", "vl-rewardbench",
                  "60.0 [60.0, 80.0]", "strict/both_orders"):  # fmt: skip
        assert words in text
    assert not re.search(r"<script|https?:|src=", text)
    alone = evaluation_files("evaluation-two", {"judge": SCORES})["report.html"]
    assert "benchmarks.md" not in alone
    assert "not shown to beat" not in alone


def history(*points: tuple[float, float]) -> LoopHistory:
    def shown(value: float) -> Shown:
        one = Estimate(value=value)
        return Shown(
            n=1, accuracy=one, both_orders=one, first_position=None, undecided=0, categories=(),
            dropped={}, pairs="", manifest=Manifest(stage="x", stage_version=1, key="k"),
        )  # fmt: skip

    iterations = [
        Iteration(number=at, held_out=shown(validation), gold=shown(gold), unused={})
        for at, (validation, gold) in enumerate(points)
    ]
    return LoopHistory(loop_id="l", status="", iterations=tuple(iterations), tasks=())


@pytest.mark.parametrize(
    ("points", "chosen", "best", "lost", "correlation"),
    [
        ([(0.1, 0.2), (0.5, 0.6), (0.7, 0.9)], 2, 2, 0.0, 1.0),
        ([(0.1, 0.9), (0.5, 0.6), (0.7, 0.5)], 2, 0, 0.4, -1.0),
        ([(0.5, 0.5), (0.5, 0.7)], 0, 1, 0.2, None),
        ([(0.5, 0.5), (0.5, 0.6), (0.5, 0.7)], 0, 2, 0.2, None),
    ],
)
def test_validation_is_held_against_gold(points, chosen, best, lost, correlation) -> None:
    found = prediction(history(*points))
    assert found is not None
    assert (found.chosen, found.best) == (chosen, best)
    assert found.lost == pytest.approx(lost)
    assert found.correlation == (None if correlation is None else pytest.approx(correlation))
    assert ("and on gold pairs too" in found.text) == (chosen == best)


def test_one_model_says_nothing_of_validation() -> None:
    assert prediction(history((0.1, 0.2))) is None
