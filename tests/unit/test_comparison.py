"""Two judges on the same items: the difference, its interval, and the command that shows them."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judgeloop.cli.main import main
from judgeloop.evaluation.clusters import clustered_interval
from judgeloop.evaluation.comparison import compare
from judgeloop.schema.errors import DataError
from judgeloop.schema.records import Choice, ItemResult
from tests.benchmark_rows import better, vl_output, vl_right, vl_row, write_lines

A, B, NONE = Choice.A, Choice.B, Choice.UNDECIDED
RIGHT, FIRST, SILENT = (A, B), (A, A), (NONE, NONE)
NAMES = ("new", "old")


def results(
    verdicts: list[tuple[Choice, Choice]], images: int = 0, groups: str = "x"
) -> list[ItemResult]:
    return [
        ItemResult(
            item_id=f"item-{at:03}", category=groups[at % len(groups)], chosen_first=first,
            rejected_first=second, image=f"image-{at % images}" if images else "",
        )
        for at, (first, second) in enumerate(verdicts)
    ]  # fmt: skip


def test_the_difference_comes_with_its_interval_its_probability_and_the_items_behind_it() -> None:
    mine = results([RIGHT] * 40 + [FIRST] * 20, groups="xy")
    theirs = results([FIRST] * 20 + [RIGHT] * 20 + [FIRST] * 15 + [RIGHT] * 5, groups="xy")
    found = compare(NAMES, mine, theirs)
    assert (found.overall.a, found.overall.b) == (40 / 60, 25 / 60)
    assert (found.overall.won, found.overall.lost) == (20, 5)
    assert found.overall.probability == pytest.approx(0.00408, abs=1e-5)  # binomial, 5 of 25
    assert 0 < found.overall.interval.low < 0.25 < found.overall.interval.high
    assert found.won_items == [f"item-{at:03}" for at in range(20)]
    assert {name: one.items for name, one in found.groups.items()} == {"x": 30, "y": 30}
    assert found.sentence.startswith("new is better than old: +0.250")
    assert "20 won and 5 lost" in found.sentence


def test_judges_that_the_items_do_not_tell_apart_are_said_to_be_so() -> None:
    found = compare(NAMES, results([RIGHT] * 5 + [FIRST] * 5), results([RIGHT] * 4 + [FIRST] * 6))
    assert found.sentence.startswith("The items do not distinguish new from old")
    back = compare(NAMES[::-1], results([FIRST] * 30), results([RIGHT] * 30))
    assert back.sentence.startswith("new is better than old: -1.000")


def test_format_learning_is_told_from_judging() -> None:
    raw = results([SILENT] * 40 + [RIGHT] * 40 + [FIRST] * 20)
    tuned = results([RIGHT] * 67 + [FIRST] * 33)
    found = compare(NAMES, tuned, raw)
    assert found.overall.difference == pytest.approx(0.27)
    assert found.undecided == (0, 0.4)
    tuned_right, raw_right = found.decided_only
    assert tuned_right == pytest.approx(raw_right, abs=0.01)  # type: ignore[arg-type]


def test_items_about_one_image_widen_the_interval() -> None:
    mine, theirs = [RIGHT] * 60 + [FIRST] * 60, [FIRST] * 120

    def by_image(at: int) -> str:
        return f"image-{at // 10}"

    def named(verdicts: list[tuple[Choice, Choice]], clustered: bool) -> list[ItemResult]:
        return [
            ItemResult(item_id=str(at), category="x", chosen_first=one, rejected_first=two,
                       image=by_image(at) if clustered else "")
            for at, (one, two) in enumerate(verdicts)
        ]  # fmt: skip

    alone, dependent = (
        compare(NAMES, named(mine, c), named(theirs, c)).overall for c in (False, True)
    )
    assert (alone.clusters, dependent.clusters) == (120, 12)
    widths = [one.interval.high - one.interval.low for one in (alone, dependent)]
    assert widths[1] > 2 * widths[0]
    assert compare(NAMES, named(mine, True), named(theirs, True)).overall == dependent


@pytest.mark.parametrize(
    ("theirs", "words"),
    [(results([RIGHT] * 2), "different items: 1 have"), ([], "different items: 3 have")],
)
def test_other_items_are_refused(theirs: list[ItemResult], words: str) -> None:
    with pytest.raises(DataError, match=words):
        compare(NAMES, results([RIGHT] * 3), theirs)
    with pytest.raises(DataError, match="two results for item"):
        compare(NAMES, results([RIGHT]) * 2, results([RIGHT]))


@settings(deadline=None)
@given(st.lists(st.sampled_from([RIGHT, FIRST, SILENT]), min_size=1, max_size=20), st.data())
def test_turning_the_judges_round_turns_the_figures_round(mine, data) -> None:
    theirs = data.draw(st.lists(st.sampled_from([RIGHT, FIRST]), min_size=len(mine),
                                max_size=len(mine)))  # fmt: skip
    there = compare(NAMES, results(mine), results(theirs))
    back = compare(NAMES[::-1], results(theirs), results(mine))
    assert there.overall.difference == -back.overall.difference
    assert there.overall.probability == pytest.approx(back.overall.probability)
    assert (there.overall.won, there.overall.lost) == (back.overall.lost, back.overall.won)
    assert there.overall.interval.low == pytest.approx(-back.overall.interval.high, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("images", [30, 100])
def test_a_clustered_interval_holds_the_truth_in_about_95_of_100_samples(images: int) -> None:
    generator = np.random.default_rng(1)
    held = 0
    runs = 200
    for _ in range(runs):
        shares = generator.beta(2, 2, images)  # an image is easy or hard: mean 0.5
        sizes = generator.integers(1, 9, images)
        values, clusters = [], []
        for at, (share, size) in enumerate(zip(shares, sizes, strict=True)):
            values += list((generator.random(size) < share).astype(float))
            clusters += [str(at)] * int(size)
        low, high = clustered_interval(values, clusters)
        held += low <= 0.5 <= high
    assert 0.90 <= held / runs <= 0.985


def outputs(folder: Path, name: str, right: int) -> str:
    rows = [vl_row(number) for number in range(40)]
    write_lines(folder / "data.jsonl", rows)
    lines = [
        vl_output(row, better(vl_right(row, swapped) if at < right else 1), swapped)
        for at, row in enumerate(rows) for swapped in (0, 1)
    ]  # fmt: skip
    return str(write_lines(folder / f"{name}.jsonl", lines))


def test_the_command_compares_two_files_of_outputs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [outputs(tmp_path, "a", 30), outputs(tmp_path, "b", 10)]
    arguments = ["compare", *files, "--benchmark", "vl-rewardbench", "--data", str(tmp_path)]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "a.jsonl is better than" in lines[0]
    assert any(line.split()[:2] == ["general", "40"] for line in lines)
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["overall"]["won"], len(found["won_items"])) == (20, 20)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [([], "--store for registered versions"), (["--benchmark", "vl-rewardbench"], "needs --data")],
)
def test_options_that_do_not_go_together_are_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(["compare", "a", "b", *arguments]) == 2
    assert words in capsys.readouterr().err
