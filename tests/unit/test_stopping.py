"""The stop rule as a paired test: what it rules out, what it cannot know, and how often it errs."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from benchmarks.stopping import ERROR, MIN_GAIN, step, stop_rates
from judgeloop.evaluation.statistics import paired_bound, paired_interval
from judgeloop.evaluation.stopping import PairResult, pairs_needed, steps
from judgeloop.runtime.stages.decide import decide
from judgeloop.schema.config import load_config
from judgeloop.schema.errors import DataError
from judgeloop.schema.records import Choice, ItemResult
from judgeloop.schema.results import Decision
from judgeloop.store import FolderStore
from judgeloop.store.shards import Work, write_shards
from tests.conftest import REPOSITORY
from tests.unit.test_decide import validation

MICRO = REPOSITORY / "pipelines/configs/micro.yaml"


def judge(right: int, n: int = 1000, first: int = 0, per_image: int = 1) -> dict[str, PairResult]:
    """Right on the pairs from `first` on, so many of n."""
    return {
        str(at): PairResult(first <= at < first + right, str(at // per_image)) for at in range(n)
    }


def test_a_gain_that_counts_is_ruled_out_where_the_judge_differs_on_few_pairs() -> None:
    (step,) = steps([judge(900), judge(900)], 0.03, 0.05)
    assert (step.outcome, step.best, step.difference) == ("no_gain", 0, 0.0)
    assert step.upper < 0.03


def test_a_sure_gain_is_one_and_a_small_sure_gain_is_not_worth_an_iteration() -> None:
    assert steps([judge(500), judge(600)], 0.03, 0.05)[0].outcome == "gain"
    assert steps([judge(500), judge(510)], 0.03, 0.05)[0].outcome == "no_gain"


def test_on_few_pairs_the_rule_cannot_know_and_says_how_many_it_needs() -> None:
    (step,) = steps([judge(50, 100), judge(50, 100, first=10)], 0.03, 0.05)  # they differ on 20
    assert step.outcome == "too_few"
    assert step.needed == pairs_needed(0.2, 0.03, 0.05) == 1374
    assert steps([{}, {}], 0.03, 0.05)[0].outcome == "too_few"


def test_pairs_of_one_image_count_for_fewer() -> None:
    alone, together = (
        steps([judge(500, per_image=per), judge(500, first=40, per_image=per)], 0.03, 0.05)[0]
        for per in (1, 20)
    )
    assert together.upper > alone.upper
    assert together.needed > 10 * alone.needed


def test_the_best_before_is_compared_with_and_the_earlier_one_of_two() -> None:
    judges = [judge(100), judge(800), judge(800, first=50), judge(700)]
    found = steps(judges, 0.03, 0.05)
    assert [step.best for step in found] == [0, 1, 1]


def test_several_judges_that_may_be_the_best_make_the_rule_stricter() -> None:
    last = judge(800, first=15)
    alone = steps([judge(100), judge(800), last], 0.03, 0.05)[-1]
    among = steps([judge(795, first=20), judge(800), last], 0.03, 0.05)[-1]
    assert among.upper > alone.upper
    assert alone.difference == among.difference


def test_judges_on_other_pairs_are_not_compared() -> None:
    with pytest.raises(DataError, match="same held-out pairs"):
        steps([judge(5, 10), judge(5, 11)], 0.03, 0.05)


def test_the_one_sided_bound_is_the_end_of_the_two_sided_interval_at_half_the_error() -> None:
    differences = [1] * 12 + [-1] * 5 + [0] * 83
    assert paired_bound(12, 5, 100, 0.025) == pytest.approx(paired_interval(differences).high)
    assert paired_bound(0, 0, 0, 0.05) == 1.0


def test_a_judge_that_is_worse_by_chance_alone_still_counts_among_the_best() -> None:
    last, best, worse = judge(500), judge(520), judge(510, first=20)  # 20 won, 10 lost: p = .03
    alone = steps([judge(100), best, last], 0.03, 0.05)[-1]
    among = steps([worse, best, last], 0.03, 0.05)[-1]
    assert among.upper > alone.upper


@pytest.mark.parametrize(("n", "earlier"), [(100, 1), (500, 3)])
def test_a_loop_with_a_gain_that_counts_is_stopped_no_more_often_than_stated(
    n: int, earlier: int
) -> None:
    tested, plain, _ = stop_rates(n, MIN_GAIN, earlier, 10_000)
    assert tested <= ERROR
    assert plain > 2 * tested  # comparing the scores stops one such loop of five


def test_the_simulated_rule_is_the_rule_on_pairs() -> None:
    rng = np.random.default_rng(1)
    seen = set()
    for _ in range(30):
        right = rng.random((4, 80)) < [[0.5], [0.8], [0.8], [0.7]]
        right[2:] = np.where(rng.random(80) < 0.8, right[1], right[2:])  # they agree for the most
        judges = [
            {str(at): PairResult(bool(is_right), "") for at, is_right in enumerate(row)}
            for row in right
        ]
        wins = [[int((one & ~other).sum()) for other in right] for one in right]
        expected = steps(judges, MIN_GAIN, ERROR)[-1]
        assert step([int(row.sum()) for row in right], wins, 80) == expected
        seen.add(expected.outcome)
    assert len(seen) > 1


def test_with_enough_pairs_a_loop_without_a_gain_is_stopped() -> None:
    tested, _, too_few = stop_rates(pairs_needed(0.1, MIN_GAIN, ERROR), 0.0, 1, 400)
    assert tested > 0.6
    assert stop_rates(100, 0.0, 1, 400)[2] > 0.5 > too_few


def validated(store: FolderStore, iteration: int, right: int, n: int) -> object:
    rows = [
        ItemResult(
            item_id=str(at), category="c", chosen_first=Choice.A,
            rejected_first=Choice.B if at < right else Choice.A, image=str(at),
        )
        for at in range(n)
    ]  # fmt: skip
    probe = msgspec.structs.replace(rows[0], item_id="probe", identical=True)
    made = validation(iteration, right / n)
    return write_shards(store, made, [[*rows, probe]], lambda batch: Work(list(batch)))


@pytest.mark.parametrize(
    ("rights", "n", "action", "words"),
    [
        ([0, 800, 800], 1000, "stop", "a gain of 0.03 is ruled out"),
        ([0, 700, 800], 1000, "continue", "it rose"),
        ([0, 60, 62], 100, "continue", "cannot know: the stop rule needs about 207 pairs"),
        ([0, 80, 60], 100, "stop", "-0.200 against iteration 1"),
    ],
)
def test_the_loop_stops_only_where_the_gain_is_ruled_out(
    rights: list[int], n: int, action: str, words: str, tmp_path: Path
) -> None:
    store = FolderStore(tmp_path)
    config = load_config(MICRO, ["loop.iterations=9", "loop.stop_error=0.05", "loop.patience=1"])
    made = [validated(store, at, right, n) for at, right in enumerate(rights)]
    found = decide(config, 2, made, store).expect(Decision)  # type: ignore[arg-type]
    assert found.action == action
    assert words in found.reason
    assert found.pairs == n
    ended = msgspec.structs.replace(config.loop, iterations=2)
    bound = decide(msgspec.structs.replace(config, loop=ended), 2, made, store)  # type: ignore[arg-type]
    assert bound.expect(Decision).action == "stop"
