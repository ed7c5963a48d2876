"""Reference checks: docs/evaluation.md names them; some on real rows stand here."""

import re
from collections import Counter

import pytest

from judgeloop.evaluation.baselines import BASELINES, blind_result
from judgeloop.evaluation.benchmarks.vl_rewardbench.groups import official
from judgeloop.evaluation.benchmarks.vl_rewardbench.load import load
from judgeloop.evaluation.benchmarks.vl_rewardbench.suspects import suspects
from judgeloop.evaluation.scorecard import scorecard
from judgeloop.schema.records import Choice, ItemResult
from tests.benchmark_rows import read_lines, shared, vl_row, write_lines
from tests.conftest import REPOSITORY

FULL = "benchmarks/vl_rewardbench"


def test_each_error_of_others_and_each_fact_names_a_test_that_checks_it() -> None:
    """That a test of this name exists is looked for in all pages, by test_documents.py."""
    page = (REPOSITORY / "docs" / "evaluation.md").read_text()
    rows = re.findall(r"^\| \d+ \|.*$", page, re.MULTILINE)
    assert rows
    assert [row for row in rows if not re.search(r"`test_\w+`", row)] == []


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("always_first", 0), ("longer", 0.4264), ("shorter", 0.5648)],
)
def test_a_blind_judge_scores_its_known_figure_on_the_real_rows(rule: str, expected: float) -> None:
    items = [
        ItemResult(
            item_id=item.key, category=item.group, chosen_first=Choice.A, rejected_first=Choice.B,
            lengths=(len(item.chosen), len(item.rejected)),
        )
        for item in load(shared(FULL)).items
    ]  # fmt: skip
    card = scorecard(blind_result(item, BASELINES[rule]) for item in items)
    assert card.both_orders == pytest.approx(expected, abs=5e-5)


def test_the_source_of_a_query_decides_no_group(tmp_path) -> None:
    rows = [{**vl_row(1, "RLHF-V-"), "query_source": source} for source in ("COCO", "coco", None)]
    items = [load(write_lines(tmp_path / "data.jsonl", [row])).items[0] for row in rows]
    assert {item.group for item in items} == {"hallucination"}


def test_real_query_sources_have_26_spellings_and_are_missing_for_reasoning() -> None:
    rows = read_lines(shared(FULL) / "data.jsonl")
    sources = Counter(row.get("query_source") or "" for row in rows)
    assert len(set(sources) - {""}) == 26
    assert {official(row["id"]) for row in rows if not row.get("query_source")} == {"reasoning"}
    assert {official(row["id"]) for row in rows if row.get("ground_truth")} == {"reasoning"}


def test_the_real_rows_that_contradict_their_reference_answer_are_listed() -> None:
    items = {item.key: item for item in load(shared(FULL)).items}
    found = {items[key].id for key in suspects(items.values())}
    corrected = {
        "mathverse_1063", "mathverse_3489", "mathverse_3749", "mmmu_pro_test_Marketing_150",
    }  # fmt: skip
    assert corrected <= found
    assert len(found) == 12


@pytest.mark.parametrize(
    ("reference", "responses", "listed"),
    [
        ("C", ("It is B: 3", "The option is C: 4"), True),
        ("C", ("It is C: 4", "The option is B: 3"), False),
        ("C", ("It is C", "It is C too"), False),
        ("$x=8 \\mathrm{~cm}^{2}$", ("No solution", "So x = 8"), True),
        ("8", ("So x = 8.0", "Final: 9"), False),
        ("(-2, 3)", ("-3, 3", "-2, 3"), False),  # not one number
        (None, ("It is B", "It is C"), False),
    ],
)
def test_a_made_row_is_suspect_where_the_worse_response_ends_in_the_reference(
    tmp_path, reference: str | None, responses: tuple[str, str], listed: bool
) -> None:
    row = {**vl_row(1, "mathverse_"), "response": list(responses), "ground_truth": reference}
    items = load(write_lines(tmp_path / "data.jsonl", [row])).items
    assert suspects(items) == ([items[0].key] if listed else [])
