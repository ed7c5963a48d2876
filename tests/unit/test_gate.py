"""The gate: it promotes on evidence alone."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judgeloop.evaluation import gate
from judgeloop.evaluation.floors import floors
from judgeloop.evaluation.gate import Judged, decide_promotion
from judgeloop.schema.errors import DataError
from judgeloop.schema.evaluation_sections import GateSection
from judgeloop.schema.keys import fraction
from judgeloop.schema.records import Choice, ItemResult
from judgeloop.schema.results import Check, GateDecision

A, B, NONE = Choice.A, Choice.B, Choice.UNDECIDED
POLICY = GateSection()
RIGHT, FIRST, WRONG, SILENT = (A, B), (A, A), (B, A), (NONE, NONE)
Pair = tuple[Choice, Choice]


def results(verdicts: list[Pair], group: Callable[[int], str] = lambda at: "x") -> list[ItemResult]:
    made = [
        ItemResult(
            item_id=f"item-{at}", category=group(at), chosen_first=first, rejected_first=second,
            lengths=(20, 20 + at % 3 - 1),
        )
        for at, (first, second) in enumerate(verdicts)
    ]  # fmt: skip
    probe = ItemResult(
        item_id="probe", category="x", chosen_first=A, rejected_first=A, lengths=(9, 9),
        identical=True,
    )  # fmt: skip
    return [*made, probe]


def judged(items: list[ItemResult], name: str = "judge/8", **changed: Any) -> Judged:
    return Judged(name, "gold", "both orders", items)._replace(**changed)


def share(right: int, of: int, else_: Pair = FIRST) -> list[ItemResult]:
    return results([RIGHT] * right + [else_] * (of - right))


def meet(
    mine: list[ItemResult], theirs: list[ItemResult], policy: GateSection = POLICY
) -> GateDecision:
    return decide_promotion(judged(mine), judged(theirs, "judge/7"), policy)


def holding(decision: GateDecision) -> dict[str, bool]:
    return {check.name: check.holds for check in decision.checks}


def test_a_clearly_better_candidate_is_promoted_with_the_figures():
    decision = meet(share(45, 50), share(20, 50))
    assert decision.decision == "promote"
    assert (decision.candidate, decision.champion, decision.n) == ("judge/8", "judge/7", 50)
    assert decision.difference == pytest.approx(0.5)
    assert 0 < decision.low < 0.5 < decision.high < 1
    assert "+0.500 on 50 items" in decision.reason
    assert set(holding(decision).values()) == {True}
    assert set(holding(decision)) == {
        "opponent", "accuracy", "undecided", "position_bias", "group/x", "identical_answers",
        "blind/always_first", "blind/longer", "blind/shorter", "blind/random", "blind/coin",
        "blind/chance",
    }  # fmt: skip


def test_a_judge_with_inverted_labels_is_refused_though_the_opponent_has_nothing():
    verdicts = [RIGHT] * 25 + [(A, A)] * 46 + [WRONG] * 929  # accuracy .048, both orders .025
    decision = meet(results(verdicts), results([FIRST] * 1000))
    assert decision.low > 0  # the old gate's only condition
    assert decision.decision == "refuse"
    failing = [name for name, holds in holding(decision).items() if not holds]
    assert {"accuracy", "blind/coin", "blind/chance", "blind/longer"} <= set(failing)
    assert "from 0.500 to 0.048" in decision.reason


def test_a_judge_without_sight_is_refused_though_the_opponent_has_nothing():
    coins = [tuple(A if fraction("blank", at, order) < 0.5 else B for order in (0, 1))
             for at in range(1000)]  # fmt: skip
    decision = meet(results(coins), results([FIRST] * 1000))
    assert decision.low > 0
    assert decision.decision == "refuse"
    assert not any(holding(decision)[f"blind/{name}"] for name in ("coin", "chance", "random"))


@pytest.mark.parametrize("rule", ["longer", "shorter"])
def test_a_judge_that_goes_by_length_is_refused(rule: str):
    sign = 1 if rule == "longer" else -1
    items = results([FIRST] * 300)[:-1]
    mine = [
        msgspec.structs.replace(
            item, lengths=(20, 20 - sign * (2 if at % 4 else -2)),
            rejected_first=B if at % 4 else A, chosen_first=A if at % 4 else B,
        )
        for at, item in enumerate(items)
    ]  # fmt: skip
    decision = meet([*mine, results([])[0]], results([FIRST] * 300))
    assert decision.decision == "refuse"
    assert [name for name, holds in holding(decision).items() if not holds] == [f"blind/{rule}"]


def test_a_small_difference_is_refused():
    decision = meet(share(26, 50), share(25, 50))
    assert decision.decision == "refuse"
    assert decision.low < 0 < decision.difference


def test_the_interval_must_lie_above_the_configured_difference():
    mine, theirs = share(50, 50), share(20, 50)
    assert meet(mine, theirs, GateSection(min_difference=0.4)).decision == "promote"
    assert meet(mine, theirs, GateSection(min_difference=0.6)).decision == "refuse"
    low = meet(mine, theirs).low
    at_the_bound = meet(mine, theirs, GateSection(min_difference=low))
    assert (at_the_bound.decision, holding(at_the_bound)["opponent"]) == ("refuse", False)


def test_results_are_paired_by_item_and_not_by_position():
    mine, theirs = share(30, 60), share(30, 60)
    decision = meet(mine, theirs[::-1])
    assert (decision.difference, decision.decision) == (0, "refuse")
    assert decision.high < 0.1  # item by item they agree; by position they would not


def test_a_gain_on_a_few_images_that_have_many_items_is_not_taken_for_evidence():
    mine, theirs = share(90, 120), share(60, 120)
    assert meet(mine, theirs).decision == "promote"
    by_image = [
        [msgspec.structs.replace(item, image=f"image-{at // 10}") for at, item in enumerate(side)]
        for side in (mine, theirs)
    ]  # three images of twelve make the whole difference
    decision = meet(*by_image)
    assert decision.decision == "refuse"
    assert [name for name, holds in holding(decision).items() if not holds] == ["opponent"]


def test_better_in_both_orders_and_worse_by_single_verdicts_is_refused():
    mine, theirs = [RIGHT] * 130 + [WRONG] * 70, results([FIRST] * 140 + [RIGHT] * 60)
    assert meet(results(mine), theirs).decision == "promote"  # .65 against .65
    worse = results([*mine[:129], *[WRONG] * 71])
    found = meet(worse, theirs)
    assert found.low > 0
    assert [name for name, holds in holding(found).items() if not holds] == ["accuracy"]
    lenient = GateSection(max_accuracy_loss=0.01, max_group_loss=1)
    assert meet(worse, theirs, lenient).decision == "promote"


def test_a_group_that_loses_more_than_its_bound_is_refused_and_one_item_is_no_evidence():
    def group(at: int) -> str:
        return "small" if at >= 90 else "large"

    theirs = results([RIGHT] * 20 + [FIRST] * 60 + [RIGHT] * 20, group)
    for lost, decision in ((1, "promote"), (2, "refuse")):
        mine = [RIGHT] * 80 + [RIGHT] * (20 - lost) + [FIRST] * lost
        found = meet(results(mine, group), theirs)
        assert found.decision == decision
        assert holding(found)["group/small"] == (decision == "promote")
        lenient = GateSection(group_losses={"small": 0.2})
        assert meet(results(mine, group), theirs, lenient).decision == "promote"


def test_more_undecided_verdicts_are_refused():
    mine = results([RIGHT] * 80 + [SILENT] * 20)
    found = meet(mine, share(40, 100, WRONG))
    assert [name for name, holds in holding(found).items() if not holds] == ["undecided"]
    assert holding(meet(mine, mine))["undecided"]  # what the champion leaves open as well
    assert meet(mine, share(40, 100, WRONG), GateSection(max_undecided_rise=0.3)).reason


def test_more_position_bias_is_refused():
    mine, theirs = share(80, 100, FIRST), share(40, 100, WRONG)
    found = meet(mine, theirs)
    assert [name for name, holds in holding(found).items() if not holds] == ["position_bias"]


@pytest.mark.parametrize("second", [A, B])
def test_identical_answers_must_not_get_a_clear_verdict(second: Choice):
    mine = share(45, 50)
    mine[-1] = msgspec.structs.replace(mine[-1], chosen_first=B if second is A else A)
    mine[-1] = msgspec.structs.replace(mine[-1], rejected_first=second)
    found = meet(mine, share(20, 50))
    assert [name for name, holds in holding(found).items() if not holds] == ["identical_answers"]


def test_a_candidate_that_was_shown_no_identical_answers_is_refused():
    found = meet(share(45, 50)[:-1], share(20, 50))
    said = "it was shown no identical answers: evaluate it again"
    failing = [check for check in found.checks if not check.holds]
    assert failing == [Check(name="identical_answers", holds=False, text=said)]
    assert found.reason == said


def test_the_champion_is_not_compared_with_itself():
    found = decide_promotion(
        judged(share(45, 50), "judge/7"), judged(share(20, 50), "judge/7"), POLICY
    )
    assert (found.decision, found.n) == ("refuse", 0)
    assert found.reason == "the candidate is already the champion"


@pytest.mark.parametrize(
    ("mine", "theirs", "words"),
    [
        ({"data": "gold-2"}, {}, "judge/7 was scored on other items, or on another revision"),
        ({"protocol": "one order"}, {}, "judge/7 was scored by another protocol"),
        ({"used_gold": True}, {}, "judge/8 was trained or chosen with the gold labels"),
        ({}, {"used_gold": True}, "judge/7 was trained or chosen with the gold labels"),
        ({"data": ""}, {"data": ""}, "judge/8 don't say on what items"),
        ({}, {"protocol": ""}, "judge/7 don't say on what items"),
    ],
)
def test_what_cannot_be_compared_is_refused(mine: Any, theirs: Any, words: str):
    found = decide_promotion(
        judged(share(45, 50))._replace(**mine),
        judged(share(20, 50), "judge/7")._replace(**theirs),
        POLICY,
    )
    assert (found.decision, found.n, found.low, found.high) == ("refuse", 0, -1, 1)
    assert (found.candidate, found.champion) == ("judge/8", "judge/7")
    assert words in found.reason


def test_other_items_are_refused_and_counted():
    theirs = [msgspec.structs.replace(item, item_id=f"item-{at + 1}")
              for at, item in enumerate(share(0, 30)[:-1])]  # fmt: skip
    decision = meet(share(30, 30), theirs)
    assert decision.decision == "refuse"
    assert decision.reason == (
        "they were scored on different items: 2 have a result of only one of them"
    )
    assert (decision.n, decision.low, decision.high) == (0, -1, 1)


def test_the_texts_of_the_verdicts_are_not_kept_in_memory():
    item = msgspec.structs.replace(
        share(1, 1)[0], chosen_first_text="long", rejected_first_text="long"
    )
    items, _ = gate._by_item(judged([item]))
    assert [(kept.chosen_first_text, kept.rejected_first_text) for kept in items.values()] == [
        ("", "")
    ]


def test_no_items_are_refused():
    decision = meet([], [])
    assert (decision.decision, decision.n) == ("refuse", 0)
    assert decision.reason == "there are no items to compare them on"


def test_results_without_the_answers_lengths_are_an_error_that_says_what_to_do():
    old = [msgspec.structs.replace(item, lengths=None) for item in share(45, 50)]
    with pytest.raises(DataError, match="evaluate the judge again"):
        meet(old, share(20, 50))


def test_two_results_for_one_item_are_an_error_that_names_it():
    with pytest.raises(DataError, match="two results for item item-0"):
        meet(share(1, 1)[:1] * 2, share(1, 1))


verdicts = st.lists(st.tuples(st.sampled_from(Choice), st.sampled_from(Choice)), min_size=1)


@settings(deadline=None)
@given(verdicts, st.data())
def test_of_two_judges_at_most_one_may_replace_the_other(mine, data):
    theirs = data.draw(st.lists(st.sampled_from([RIGHT, FIRST, WRONG, SILENT]),
                                min_size=len(mine), max_size=len(mine)))  # fmt: skip
    there, back = meet(results(mine), results(theirs)), meet(results(theirs), results(mine))
    assert (there.decision, back.decision) != ("promote", "promote")
    assert there.difference == -back.difference


@settings(deadline=None)
@given(verdicts)
def test_nobody_is_promoted_over_the_same_verdicts(mine):
    assert meet(results(mine), results(mine)).decision == "refuse"


@pytest.mark.parametrize(
    ("mine", "check", "setting", "change"),
    [
        ([FIRST], "accuracy", "max_accuracy_loss", 1 / 16),
        ([SILENT], "undecided", "max_undecided_rise", 1 / 8),
        ([FIRST], "position_bias", "max_position_bias_rise", 1 / 16),
        ([(B, B)], "position_bias", "max_position_bias_rise", 1 / 16),
        ([FIRST] * 2, "group/x", "max_group_loss", 2 / 8),
    ],
)
def test_a_change_up_to_its_bound_holds_and_one_above_it_does_not(
    mine: list[Pair], check: str, setting: str, change: float
):
    changed = results(mine + [RIGHT] * (8 - len(mine)))
    for bound, holds in ((change, True), (change - 0.001, False)):
        decision = meet(changed, share(8, 8), GateSection(**{setting: bound}))
        assert holding(decision)[check] == holds


def test_identical_answers_may_get_as_many_clear_verdicts_as_the_bound_says():
    clear = msgspec.structs.replace(share(0, 0)[0], item_id="other", rejected_first=B)
    mine = [*share(8, 8), clear]  # one of two
    assert holding(meet(mine, share(8, 8), GateSection(max_clear_probes=0.5)))["identical_answers"]
    lower = meet(mine, share(8, 8), GateSection(max_clear_probes=0.499))
    assert not holding(lower)["identical_answers"]
    assert "on 0.500 of 2 (at most 0.499)" in lower.reason


def test_a_group_has_its_own_bound_where_one_is_set():
    mine, theirs = results([FIRST] * 2 + [RIGHT] * 6), share(8, 8)
    policy = GateSection(max_group_loss=0.0, group_losses={"x": 0.25})
    assert holding(meet(mine, theirs, policy))["group/x"]
    assert not holding(meet(mine, theirs, GateSection(max_group_loss=0.0)))["group/x"]


def test_a_judge_that_decides_nothing_has_no_position_bias():
    decision = meet(share(8, 8), results([SILENT] * 8))
    (text,) = [check.text for check in decision.checks if check.name == "position_bias"]
    assert text.startswith("position bias went from 0.000 to 0.000")


def test_each_condition_says_what_was_measured_and_what_is_allowed():
    decision = meet(share(45, 50), share(20, 50), GateSection(max_accuracy_loss=0.125))
    assert [check.text for check in decision.checks[:6]] == [
        "both-order accuracy differs by +0.500 on 50 items; the 95 % interval +0.366 to +0.634 "
        "lies above 0.000",
        "accuracy by single verdict went from 0.700 to 0.950 (it may fall by 0.125)",
        "undecided verdicts went from 0.000 to 0.000 (they may rise by 0.020)",
        "position bias went from 0.300 to 0.050 (it may rise by 0.050)",
        "both-order accuracy of group x differs by +0.500 on 50 items (it may fall by 0.050)",
        "it prefers one of two identical answers in both orders on 0.000 of 1 (at most 0.100)",
    ]
    assert (
        decision.reason == f"{decision.checks[0].text}; all {len(decision.checks)} conditions hold"
    )
    refused = meet(share(20, 50), share(45, 50))
    failing = [check.text for check in refused.checks if not check.holds]
    assert refused.reason == "; ".join(failing)
    assert "interval -0.634 to -0.366 does not lie above 0.000" in failing[0]
    assert (refused.difference, refused.low, refused.high) == pytest.approx(
        (-0.5, -0.63355, -0.36645), abs=1e-5
    )


def test_the_floors_are_bounds_of_images_and_not_of_items():
    verdicts = [RIGHT if at // 10 < 5 else FIRST for at in range(120)]  # on 5 images of 12
    alone = results(verdicts)
    shared = [msgspec.structs.replace(item, image=f"i{at // 10}") for at, item in enumerate(alone)]
    for items, expected in ((alone, True), (shared, False)):
        assert {check.name: check.holds for check in floors(items)}["blind/coin"] is expected
    assert [check.name for check in floors(shared)] == [check.name for check in floors(alone)]
