"""Which judgements of a pair are kept, in which order, and which of several are drawn."""

from __future__ import annotations

from collections import Counter

import pytest

from judgeloop.method.filtering.agreement import Outcome, keep_judgements
from judgeloop.schema.method_sections import FilteringSection
from judgeloop.schema.records import Choice, Judgement, Order
from tests.unit.test_filter import both, pair

RIGHT, WRONG = (Choice.A, Choice.B), (Choice.B, Choice.A)
FIRST, LAST = (Choice.A, Choice.A), (Choice.B, Choice.B)
HALF = (Choice.A, Choice.UNDECIDED)
FLIPPED, UNFLIPPED = 0, 1
"""Numbers of pairs of which the control `shuffled` flips the preference with seed 0, and not."""


def judged(samples: list[tuple[Choice, Choice]], number: int = 1) -> list[Judgement]:
    return [j for at, found in enumerate(samples) for j in both(pair(number), *found, at)]


def named(outcome: Outcome) -> str:
    """The kept samples in their order, `c` for the one with the chosen answer shown first."""
    short = {Order.CHOSEN_FIRST: "c", Order.REJECTED_FIRST: "r"}
    return " ".join(f"{short[j.order]}{j.sample}" for j in outcome.kept)


@pytest.mark.parametrize(
    ("rules", "samples", "reason", "kept"),
    [
        ({}, [RIGHT, FIRST, HALF, RIGHT], "kept", "c0 r0 c3 r3"),
        ({}, [FIRST, HALF], "one_order", ""),
        ({}, [WRONG, HALF], "disagreeing", ""),
        ({"both_orders": False}, [WRONG, FIRST, LAST, HALF], "kept", "c1 r2"),
        ({"both_orders": False}, [WRONG], "disagreeing", ""),
        ({"keep": "unfiltered"}, [WRONG, HALF, FIRST], "kept", "c0 r0 c2 r2"),
        ({"keep": "unfiltered"}, [HALF], "undecided", ""),
        ({"majority": True}, [FIRST, RIGHT, RIGHT, WRONG], "minority", ""),
        ({"majority": True}, [FIRST, LAST, RIGHT], "kept", "c0 r1 c2 r2"),
        ({"majority": True}, [RIGHT, FIRST, RIGHT], "kept", "c0 r0 c1 r2"),
        ({"majority": True}, [RIGHT, FIRST, FIRST], "minority", ""),
        ({"majority": True}, [HALF, HALF, FIRST], "one_order", ""),
        ({"majority": True}, [HALF, HALF], "undecided", ""),
        ({"majority": True, "both_orders": False}, [FIRST, RIGHT, WRONG], "kept", "c0 c1"),
        ({"majority": True, "both_orders": False}, [RIGHT, RIGHT, FIRST], "kept", "c0 c1 c2 r0 r1"),
        ({"majority": True, "both_orders": False}, [RIGHT, WRONG], "minority", ""),
        ({"majority": True, "both_orders": False}, [FIRST, WRONG], "one_order", ""),
        ({"majority": True, "both_orders": False}, [WRONG, WRONG], "disagreeing", ""),
    ],
)  # fmt: skip
def test_what_is_kept_stays_in_the_order_of_its_samples(
    rules: dict[str, object], samples: list[tuple[Choice, Choice]], reason: str, kept: str
) -> None:
    outcome = keep_judgements(pair(1), judged(samples), FilteringSection(**rules), seed=0)
    assert (outcome.reason, named(outcome)) == (reason, kept)


@pytest.mark.parametrize("both_orders", [True, False])
@pytest.mark.parametrize("majority", [True, False])
@pytest.mark.parametrize(
    "samples", [[RIGHT, RIGHT, FIRST], [WRONG, WRONG, LAST], [FIRST, FIRST, LAST, HALF], [HALF]]
)
def test_the_shuffled_control_keeps_of_a_flipped_pair_what_prefers_the_rejected_answer(
    samples: list[tuple[Choice, Choice]], majority: bool, both_orders: bool
) -> None:
    swapped = {Choice.A: Choice.B, Choice.B: Choice.A, Choice.UNDECIDED: Choice.UNDECIDED}
    opposite = [(swapped[one], swapped[other]) for one, other in samples]
    agreeing = FilteringSection(majority=majority, both_orders=both_orders)
    shuffled = FilteringSection(keep="shuffled", majority=majority, both_orders=both_orders)
    for number, same in ((UNFLIPPED, samples), (FLIPPED, opposite)):
        found = keep_judgements(pair(number), judged(samples, number), shuffled, seed=0)
        expected = keep_judgements(pair(number), judged(same, number), agreeing, seed=0)
        assert (found.reason, named(found)) == (expected.reason, named(expected))


@pytest.mark.parametrize(
    ("most", "seed", "kept"),
    [
        (1, 0, "r0"),
        (3, 0, "c0 r0 r1"),
        (3, 1, "r0 c1 r3"),
        (5, 0, "c0 r0 r1 r2 c3"),
        (None, 0, "c0 r0 c1 r1 c2 r2 c3 r3"),
    ],
)
def test_which_traces_of_a_pair_are_drawn_is_the_same_in_every_release(
    most: int | None, seed: int, kept: str
) -> None:
    rules = FilteringSection(traces_per_pair=most)
    assert named(keep_judgements(pair(1), judged([RIGHT] * 4), rules, seed)) == kept


def test_of_one_letter_with_few_traces_all_are_taken_before_more_of_the_other() -> None:
    rules = FilteringSection(both_orders=False, traces_per_pair=4)
    outcome = keep_judgements(pair(1), judged([RIGHT, *[FIRST] * 5]), rules, seed=0)
    assert Counter(j.order for j in outcome.kept) == {
        Order.CHOSEN_FIRST: 3, Order.REJECTED_FIRST: 1,
    }  # fmt: skip


def test_a_pair_is_lost_for_its_most_frequent_fault_whatever_its_name() -> None:
    faults = {0: "boilerplate", 1: "no_reason", 2: "boilerplate", 3: "near_duplicate"}
    asked = []

    def fault(of: object, judgement: Judgement) -> str:
        asked.append(of)
        return faults[judgement.sample]

    outcome = keep_judgements(pair(1), judged([RIGHT] * 4), FilteringSection(), 0, fault)
    assert (outcome.reason, outcome.kept) == ("boilerplate", ())
    assert outcome.faults == {"boilerplate": 4, "no_reason": 2, "near_duplicate": 2}
    assert asked == [pair(1)] * 8


def test_faults_are_counted_beside_what_is_kept_but_not_of_traces_that_are_not_needed() -> None:
    rules = FilteringSection(traces_per_pair=1)
    for bad, faults in (({Order.REJECTED_FIRST}, {"no_reason": 1}), ({Order.CHOSEN_FIRST}, {})):
        outcome = keep_judgements(
            pair(1), judged([RIGHT]), rules, 0,
            lambda _, j, bad=bad: "no_reason" if j.order in bad else None,
        )  # fmt: skip
        assert (outcome.reason, len(outcome.kept), outcome.faults) == ("kept", 1, faults)
