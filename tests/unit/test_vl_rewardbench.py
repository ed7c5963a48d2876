"""VL-RewardBench: what a peer's mistake in our place would get wrong, and the official digits."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from judgeloop.evaluation.benchmarks.base import Output, coin_order
from judgeloop.evaluation.benchmarks.score import Score, score
from judgeloop.evaluation.benchmarks.vl_rewardbench import VL_REWARDBENCH
from judgeloop.evaluation.benchmarks.vl_rewardbench.aggregate import KS, aggregate
from judgeloop.evaluation.benchmarks.vl_rewardbench.groups import (
    official,
    r1_reward,
    unified_reward,
)
from judgeloop.evaluation.benchmarks.vl_rewardbench.load import load
from judgeloop.evaluation.benchmarks.vl_rewardbench.parse import answer_number
from judgeloop.schema.errors import DataError
from tests.benchmark_rows import (
    Row,
    better,
    read_lines,
    shared,
    vl_output,
    vl_right,
    vl_row,
    write_lines,
)

FIXTURE = "format_fixtures/vl_rewardbench_format"
FULL = "benchmarks/vl_rewardbench"


def scored(folder: Path, rows: list[Row], outputs: list[Row]) -> Score:
    write_lines(folder / "data.jsonl", rows)
    return score(VL_REWARDBENCH, folder, write_lines(folder / "outputs.jsonl", outputs))


def parquet(path: Path, rows: list[Row]) -> Path:
    """The hub's form of the rows, with image bytes."""
    import pyarrow
    from pyarrow import parquet

    columns = [
        {key: value for key, value in row.items() if key != "image_path"}
        | {"image": {"bytes": b"not read", "path": f"{row['id']}.png"}}
        for row in rows
    ]
    parquet.write_table(pyarrow.Table.from_pylist(columns), path)
    return path


@pytest.mark.parametrize("samples", [1, 5])
def test_the_fixture_has_the_official_scores_to_the_digit(samples: int) -> None:
    folder = shared(FIXTURE)
    expected = json.loads((folder / "expected_scores.json").read_text())[f"k{samples}"]
    stdout = expected.pop("official_stdout")
    found = score(VL_REWARDBENCH, folder, folder / f"judge_outputs_k{samples}.jsonl")
    assert found.official == expected
    at = KS.index(samples) * len(stdout)
    assert found.lines[at : at + len(stdout)] == stdout


@pytest.mark.parametrize("data", ["", "data.jsonl"])
def test_the_full_file_prints_what_the_official_script_prints_for_each_k(data: str) -> None:
    folder = shared(FULL)
    _, *stdout = (folder / "official_cal_stdout_k3.txt").read_text().splitlines()
    found = score(VL_REWARDBENCH, folder / data, folder / "official_layout_outputs_k3.jsonl")
    assert found.lines == stdout
    assert found.details["samples_per_item"] == 3
    assert (found.faults, found.missing) == ([], [])


def test_the_groups_of_the_real_rows_have_their_counted_sizes_under_each_map() -> None:
    items = load(shared(FULL)).items
    assert len(items) == 1250
    for group, sizes in (
        (official, (183, 749, 318)),
        (r1_reward, (484, 448, 318)),
        (unified_reward, (631, 301, 318)),
    ):
        found = [group(item.id) for item in items]
        names = ("general", "hallucination", "reasoning")
        assert tuple(map(found.count, names)) == sizes


def test_the_real_rows_are_1250_items_under_1232_ids() -> None:
    items = load(shared(FULL)).items
    assert len({item.key for item in items}) == 1250
    assert len({item.id for item in items}) == 1232


def test_rows_of_one_id_with_other_responses_are_scored_each(tmp_path: Path) -> None:
    rows = [vl_row(1), {**vl_row(1), "response": ["A van.", "A tram."], "human_ranking": [1, 0]}]
    found = scored(tmp_path, rows, [vl_output(row, better(vl_right(row, 0))) for row in rows])
    assert found.official["item_outcomes"] == {"agree": 2}


@pytest.mark.parametrize(
    ("item_id", "groups"),
    [
        ("RLAIF-V-14", ("hallucination", "general", "hallucination")),
        ("RLHF-V-3", ("hallucination", "general", "hallucination")),
        ("hallucination_pair-9", ("hallucination", "hallucination", "general")),
        ("mathverse_1063", ("reasoning",) * 3),
        ("mmmu_pro_test_Marketing_150", ("reasoning",) * 3),
        ("wildvision-battle-1", ("general",) * 3),
        ("svit-1", ("general",) * 3),
        ("rlhf-v-1", ("general", "hallucination", "general")),
        ("some_hallucination", ("general", "hallucination", "general")),
    ],
)
def test_each_map_groups_by_its_own_rule(item_id: str, groups: tuple[str, str, str]) -> None:
    assert (official(item_id), r1_reward(item_id), unified_reward(item_id)) == groups


def test_an_unknown_prefix_is_named_and_counts_as_general(tmp_path: Path) -> None:
    row = vl_row(1, "newset_")
    found = scored(tmp_path, [row], [vl_output(row, better(1))])
    assert found.official["outcomes_by_group"] == {"general": {"agree": 1}}
    assert found.fault_counts["unknown_prefix"] == 1
    assert "'newset'" in found.faults[0].detail


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Overall Judgment: Answer 1 is better.", 1),
        ("**Overall Judgment:** Answer **2**\nis the slightly better one", 2),
        ("overall judgment - answer 2 IS BETTER", 2),
        ("Therefore, Answer 2 is better than Answer 1.", 2),
        ("Therefore Answer 1 is better. Overall Judgment: Answer 2 is better.", 2),
        ("Therefore, Answer 3 is better", 3),
        ("Answer 1 is better. Therefore none is.", None),
        ("Overall Judgment: Answer 1 is much better", None),
        ("Overall Judgment: both are equal.", None),
        ("Overall Judgment: Answer 1 is not better than Answer 2", None),
        ("", None),
        (f"Therefore Answer {'9' * 5000} is better", 10**10),
    ],
)
def test_a_verdict_is_read_as_by_the_official_expression(text: str, number: int | None) -> None:
    assert answer_number(text) == number


def test_a_long_text_of_leads_is_read_in_linear_time() -> None:
    assert answer_number("Therefore Answer 1 is " * 50_000) is None


def test_a_number_that_no_response_has_agrees_officially_and_is_undecided_strictly(
    tmp_path: Path,
) -> None:
    row = vl_row(1)
    outputs = [vl_output(row, "Therefore, Answer 3 is better", swapped) for swapped in (0, 1)]
    found = scored(tmp_path, [row], outputs)
    assert found.official["item_outcomes"] == {"agree": 1}
    assert found.strict is not None
    assert (found.strict["both_orders"], found.strict["undecided"]) == (0, 1)


def test_always_first_scores_half_under_the_official_coin_and_nothing_in_both_orders() -> None:
    items = load(shared(FULL)).items
    first = sum(coin_order(item, 0) for item in items)
    assert abs(first / len(items) - 0.5) < 0.03
    assert sum(item.better == 0 for item in items) >= 1240  # without a drawn order: 99 %


def test_an_always_first_judge_scores_half_on_made_rows_and_zero_strictly(tmp_path: Path) -> None:
    rows = [vl_row(number) for number in range(400)]  # every better response stands first
    generator = random.Random(0)
    outputs = [vl_output(row, better(1), generator.randint(0, 1)) for row in rows]
    found = scored(tmp_path, rows, outputs)
    assert found.official["overall_accuracy"] == pytest.approx(50, abs=7)
    both = [vl_output(row, better(1), swapped) for row in rows for swapped in (0, 1)]
    found = scored(tmp_path, rows, both)
    assert found.strict is not None
    assert (found.strict["both_orders"], found.strict["first_position"]) == (0, 1)


def test_outputs_without_a_drawn_order_are_named(tmp_path: Path) -> None:
    rows = [vl_row(number) for number in range(3)]
    found = scored(tmp_path, rows, [vl_output(row, better(1)) for row in rows])
    assert found.fault_counts == {"empty_group": 2, "one_order": 1}


def test_ties_are_other_and_leave_every_accuracy(tmp_path: Path) -> None:
    rows = [vl_row(1), vl_row(2)]
    outputs = [vl_output(rows[0], better(1)), vl_output(rows[0], better(2)),
               vl_output(rows[1], better(1)), vl_output(rows[1], better(1))]  # fmt: skip
    found = scored(tmp_path, rows, outputs)
    assert found.official["item_outcomes"] == {"other": 1, "agree": 1}
    assert found.official["overall_accuracy"] == 100
    assert found.official["overall_accuracy_counting_undecided_as_wrong"] == 50


def test_one_generator_shuffles_the_samples_for_all_k(tmp_path: Path) -> None:
    rows = [vl_row(number) for number in range(20)]
    items = load(write_lines(tmp_path / "data.jsonl", rows)).items
    answers = random.Random(0)
    outputs = [
        Output(item=item.key, chosen_first=True, sample=sample, text=better(answers.choice((1, 2))))
        for item in items for sample in range(9)
    ]  # fmt: skip
    drawn = random.Random(1234)
    for k in KS:
        samples = [(output.item, "1 is" in (output.text or "")) for output in outputs]
        for place in range(len(samples)):
            other = drawn.randint(0, len(samples) - 1)
            samples[place], samples[other] = samples[other], samples[place]
        first = {i.key: [right for key, right in samples if key == i.key][:k] for i in items}
        right = sum(sum(found) > k / 2 for found in first.values())
        counted = aggregate(items, outputs).details["by_k"][str(k)]["item_outcomes"]
        assert counted == {"agree": right, "reject": 20 - right}, k


def test_an_item_with_fewer_samples_than_k_counts_by_what_it_has(tmp_path: Path) -> None:
    rows = [vl_row(1), vl_row(2)]
    outputs = [vl_output(rows[0], better(1))] * 3 + [vl_output(rows[1], better(2))]
    found = scored(tmp_path, rows, outputs)
    assert found.details["samples_per_item"] == 3
    assert found.official["item_outcomes"] == {"agree": 1, "reject": 1}


def test_overall_is_the_micro_average_and_macro_stands_beside_it(tmp_path: Path) -> None:
    rows = [vl_row(n, prefix) for prefix, count in
            (("wildvision-", 2), ("RLHF-V-", 5), ("mmmu_", 3)) for n in range(count)]  # fmt: skip
    outputs = [vl_output(row, better(1 if n % 3 else 2)) for n, row in enumerate(rows)]
    found = scored(tmp_path, rows, outputs).official
    groups = found["outcomes_by_group"].values()
    agree = sum(group.get("agree", 0) for group in groups)
    assert found["overall_accuracy"] == pytest.approx(100 * agree / len(rows))
    accuracies = found["accuracy_by_group"].values()
    assert found["macro_accuracy"] == pytest.approx(sum(accuracies) / 3, abs=1e-3)
    assert found["macro_accuracy"] != found["overall_accuracy"]


def test_a_group_without_a_decided_item_is_undefined_and_named(tmp_path: Path) -> None:
    row = vl_row(1)
    found = scored(tmp_path, [row], [vl_output(row, "I cannot tell.")])
    assert found.official["accuracy_by_group"]["general"] is None
    assert found.official["macro_accuracy"] is None
    assert "undefined" in found.lines[7]
    assert found.fault_counts["empty_group"] == 3


def test_one_order_gives_no_strict_figures_but_a_reason(tmp_path: Path) -> None:
    row = vl_row(1)
    found = scored(tmp_path, [row], [vl_output(row, better(1))])
    assert found.strict is None
    assert "one order" in found.strict_reason


def test_the_hubs_parquet_gives_the_same_items_as_the_first_release(tmp_path: Path) -> None:
    rows = [vl_row(number) for number in range(5)]
    hub = load(parquet(tmp_path / "test-00000-of-00001.parquet", rows))
    first = load(write_lines(tmp_path / "data.jsonl", rows))
    assert [item.key for item in hub.items] == [item.key for item in first.items]
    assert hub.items[3].image == "wildvision-battle-3.png"
    assert list(hub.files) == ["test-00000-of-00001.parquet"]


BAD: list[tuple[dict[str, Any], str]] = [
    ({"id": "elsewhere_1"}, "unknown_item"),
    ({"query": "Another question"}, "unknown_item"),
    ({"response": ["one only"]}, "bad_row"),
    ({"meta": {"random_number": 2, "filter_choice": "x"}}, "bad_row"),
    ({"meta": {"filter_choice": "x"}}, "bad_row"),
    ({"meta": {"random_number": 0, "filter_choice": None}}, "no_text"),
    ({"ranking": [1, 0]}, "label_differs"),
]


@pytest.mark.parametrize(("change", "reason"), BAD)
def test_a_bad_output_is_named_and_counted(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    rows = [vl_row(1), vl_row(2)]
    good = [vl_output(rows[0], better(1), 0), vl_output(rows[0], better(2), 1)]
    found = scored(tmp_path, rows, [*good, vl_output(rows[1], better(1)) | change])
    assert found.fault_counts[reason] == 1
    (fault,) = [fault for fault in found.faults if fault.reason == reason]
    assert fault.where == "outputs.jsonl line 3"


def test_where_labels_differ_the_datas_counts(tmp_path: Path) -> None:
    row = vl_row(1)
    found = scored(tmp_path, [row], [vl_output(row, better(1), 0, ranking=[1, 0])])
    assert found.official["item_outcomes"] == {"agree": 1}


def test_bad_rows_are_named_and_the_good_ones_scored(tmp_path: Path) -> None:
    row = vl_row(1)
    bad = [
        {**vl_row(2), "human_ranking": [0, 0]},
        {"id": "x"},
        row,
        {**row, "human_ranking": [1, 0]},
    ]
    found = scored(tmp_path, [row, *bad], [vl_output(row, better(1))])
    assert found.data["items"] == 1
    assert found.fault_counts == {
        "bad_row": 2, "contradicting_row": 1, "repeated_row": 1, "one_order": 1, "empty_group": 2,
    }  # fmt: skip


def test_items_without_an_output_are_counted_and_named(tmp_path: Path) -> None:
    rows = [vl_row(1), vl_row(2)]
    found = scored(tmp_path, rows, [vl_output(rows[0], better(1))])
    assert found.outputs["missing_items"] == 1
    assert found.missing[0].startswith("00001-")


def test_outputs_of_another_benchmark_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no line belongs to an item"):
        scored(tmp_path, [vl_row(1)], [{"ID": "nocaps_1"}])


def test_a_wrapped_sample_is_read(tmp_path: Path) -> None:
    row = vl_row(1)
    found = scored(tmp_path, [row], [{"0": vl_output(row, better(1))}])
    assert found.official["item_outcomes"] == {"agree": 1}


def test_our_own_judgements_give_the_official_figures_by_the_coin_and_the_strict_ones(
    tmp_path: Path,
) -> None:
    rows = [vl_row(number, ranking=(number % 2, 1 - number % 2)) for number in range(40)]
    items = load(write_lines(tmp_path / "data.jsonl", rows)).items
    lines = [
        {"pair_id": item.key, "order": order, "sample": 0, "text": better(1),
         "verdict": {"choice": "A"}, "finish_reason": "stop", "tokens": 9}
        for item in items for order in ("chosen_first", "rejected_first")
    ]  # fmt: skip
    found = score(VL_REWARDBENCH, tmp_path, write_lines(tmp_path / "own.jsonl", lines))
    first = sum(coin_order(item, 0) for item in items)
    assert 10 < first < 30
    assert found.official["item_outcomes"] == {"agree": first, "reject": 40 - first}
    assert found.strict is not None
    assert (found.strict["items"], found.strict["accuracy"]) == (40, 0.5)
    twice = write_lines(tmp_path / "own.jsonl", [*lines, lines[0], {**lines[0], "pair_id": "x"}])
    found = score(VL_REWARDBENCH, tmp_path, twice)
    assert found.fault_counts["repeated_output"] == found.fault_counts["unknown_item"] == 1


def test_outputs_are_joined_by_content_and_not_by_position(tmp_path: Path) -> None:
    rows = [vl_row(n, ranking=(n % 2, 1 - n % 2)) for n in range(6)]
    outputs = [vl_output(row, better(vl_right(row, 0))) for row in rows]
    lost_one = [*outputs[3:], *outputs[:2]]
    assert scored(tmp_path, rows, lost_one).official["item_outcomes"] == {"agree": 5}


def test_19_real_queries_end_with_the_image_tag() -> None:
    ends = [row["query"].endswith("<image>") for row in read_lines(shared(FULL) / "data.jsonl")]
    assert sum(ends) == 19
