"""Retention over the iterations, and that what was lost adds up in the report."""

from __future__ import annotations

import msgspec
import pytest

from judgeloop.evaluation.statistics import wilson
from judgeloop.report.history import Iteration, LoopHistory
from judgeloop.report.page import funnel, html_page, markdown_page
from judgeloop.report.retention import losses, retention
from judgeloop.schema.config import load_config
from judgeloop.schema.results import Funnel, KindFunnel
from tests.conftest import REPOSITORY

MICRO = REPOSITORY / "pipelines/configs/micro.yaml"


def filtered(kept: int) -> Funnel:
    lost = {"one_order": 60 - kept, "disagreeing": 30, "minority": 10}
    group = KindFunnel(pairs=100, kept=kept, lost=lost)
    return Funnel(
        pairs=100, undecided=0, disagreeing=30, one_order=60 - kept, further={"minority": 10},
        kept=kept, kept_judgements=2 * kept, kinds={"caption": group}, errors={"count": group},
        first_position=0.5, examples=2 * kept - 4, capped=4, capped_by={"pairs_per_image": 4},
    )  # fmt: skip


@pytest.fixture
def history() -> LoopHistory:
    iterations = [
        Iteration(number=number, unused={}, filtered=filtered(20 * number)) for number in (1, 2)
    ]
    return LoopHistory(loop_id="x", status="", iterations=tuple(iterations), tasks=())


def test_retention_is_given_by_kind_and_iteration_with_wilsons_interval(
    history: LoopHistory,
) -> None:
    found = retention(history)
    assert list(found) == ["caption", "all"]
    for number in (1, 2):
        point = found["all"][number]
        assert point.value == 0.2 * number
        assert (point.low, point.high) == wilson(20 * number, 100)


def test_each_row_of_what_was_lost_adds_up_to_its_pairs(history: LoopHistory) -> None:
    rows = losses(history)
    assert [row.group for row in rows] == ["kind: caption", "error: count"] * 2
    for row in rows:
        assert row.kept + sum(row.reasons.values()) == row.pairs
        assert list(row.reasons.values()) == sorted(row.reasons.values(), reverse=True)


def test_the_bars_of_the_funnel_lose_what_stands_below_them(history: LoopHistory) -> None:
    steps = funnel(history.iterations[0])
    assert [(step.label, step.count) for step in steps] == [
        ("pairs made", 100), ("decided in both orders", 100), ("right in one order at least", 70),
        ("right in both orders", 30), ("kept", 20),
    ]  # fmt: skip
    assert [step.lost for step in steps[3:]] == ["40 right once only", "10 minority"]


def test_the_report_says_what_was_lost_by_kind_and_by_error(history: LoopHistory) -> None:
    page = markdown_page(history, load_config(MICRO)).replace("\\", "")
    assert "| 1 | error: count | 100 | 20 | 0.200 [0.133, 0.289] | 40 one order, 30 disag" in page
    assert "| caption | 0.200 [0.133, 0.289] | 0.400 [0.309, 0.498] |" in page
    assert "| 1 | training examples | 36 | 4 pairs per image |" in page
    assert "in another order" not in page


def test_the_report_says_how_many_pairs_were_judged_with_permuted_options(
    history: LoopHistory,
) -> None:
    first, second = history.iterations
    assert second.filtered is not None
    again = msgspec.structs.replace(
        second, filtered=msgspec.structs.replace(second.filtered, permuted=7)
    )
    history = msgspec.structs.replace(history, iterations=(first, again))
    said = "7 pairs were judged once more with the question's options in another order"
    config = load_config(MICRO)
    assert f"Iteration 2: {said}." in markdown_page(history, config)
    assert html_page(history, config, {}, None).count(said) == 1
