"""What every benchmark shares: a text's verdict, and our own outputs joined to items."""

from pathlib import Path

import pytest

from judgeloop.evaluation.benchmarks import BENCHMARKS
from judgeloop.evaluation.benchmarks.base import choice
from judgeloop.evaluation.benchmarks.own import read_own
from judgeloop.evaluation.benchmarks.vl_rewardbench.load import load
from judgeloop.schema.records import Choice
from tests.benchmark_rows import vl_row, write_lines


@pytest.mark.parametrize("name", sorted(BENCHMARKS))
def test_only_a_verdict_decides_and_what_cannot_be_read_is_undecided(name: str) -> None:
    benchmark = BENCHMARKS[name]
    found = [choice(benchmark, text) for text in (*benchmark.endings, "I cannot tell.", "", None)]
    assert found == [Choice.A, Choice.B, *[Choice.UNDECIDED] * 3]


def test_our_own_outputs_are_joined_by_key_whatever_their_order(tmp_path: Path) -> None:
    items = load(write_lines(tmp_path / "data.jsonl", [vl_row(n) for n in range(5)])).items
    lines = [
        (f"line {at}", {"pair_id": item.key, "order": "chosen_first", "sample": 0, "text": str(at)})
        for at, item in enumerate(items)
    ]
    lost_one = [*lines[3:], *lines[:2]][::-1]
    read = read_own(iter(lost_one), items)
    assert not read.faults
    assert {output.item: output.text for output in read.outputs} == {
        item.key: str(at) for at, item in enumerate(items) if at != 2
    }
