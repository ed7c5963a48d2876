"""Which of the kept judgements become examples: caps, the limit, and as many A as B."""

from __future__ import annotations

import sys
from collections import Counter

import msgspec
import pytest

from judgeloop.method.filtering.agreement import agreeing
from judgeloop.method.filtering.subsample import Subsampler, example_name
from judgeloop.schema.keys import fraction
from judgeloop.schema.method_sections import FilteringSection
from judgeloop.schema.records import Altered, Choice, Judgement, Kind, Pair, Voted
from tests.unit.test_filter import both, pair

RIGHT, FIRST = (Choice.A, Choice.B), (Choice.A, Choice.A)


def drawn(
    settings: FilteringSection, kept: list[tuple[Pair, list[Judgement]]], seed: int = 0
) -> tuple[list[str], dict[str, int]]:
    """The ids of the examples, and what was left out by reason."""
    subsampler = Subsampler(settings, seed)
    for of, judgements in kept:
        subsampler.add(of, judgements)
    subsampler.close()
    every = [judgement for _, judgements in kept for judgement in judgements]
    names = [example_name(judgement) for judgement in every if subsampler.includes(judgement)]
    assert subsampler.candidates == len(every) == len(names) + subsampler.left_out.total()
    return names, dict(subsampler.left_out)


def singles(
    firsts: int, rights: int, settings: FilteringSection, samples: int = 1
) -> list[tuple[Pair, list[Judgement]]]:
    """Pairs judged by place, of which the A is kept, and pairs of which both orders are."""
    verdicts = [FIRST] * firsts + [RIGHT] * rights
    kept = []
    for number, said in enumerate(verdicts):
        found = [j for at in range(samples) for j in both(pair(number), *said, at)]
        kept.append((pair(number), list(agreeing(pair(number), found, settings, seed=0).kept)))
    return kept


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("limit", [None, 9, 14])
def test_pairs_and_their_judgements_are_drawn_in_the_order_of_their_hashes(
    limit: int | None, seed: int
) -> None:
    settings = FilteringSection(both_orders=False, max_examples=limit)
    kept = singles(12, 10, settings, samples=3)
    order = sorted(
        (fraction("cap", seed, of.id), fraction("balance", seed, example_name(each)), each)
        for of, judgements in kept
        for each in judgements
    )  # fmt: skip
    each_letter = 30 if limit is None else limit // 2
    expected = [
        example_name(judgement)
        for letter in (Choice.A, Choice.B)
        for judgement in [j for *_, j in order if j.verdict.choice is letter][:each_letter]
    ]
    assert sorted(drawn(settings, kept, seed)[0]) == sorted(expected)


@pytest.mark.parametrize("limit", [6, 7])
def test_of_whole_pairs_with_several_samples_those_are_taken_that_fit(limit: int) -> None:
    settings = FilteringSection(max_examples=limit)
    kept = []
    for number in range(8):
        samples = range(1 + number % 4)
        kept.append((pair(number), [j for at in samples for j in both(pair(number), *RIGHT, at)]))
    expected: list[str] = []
    for _, judgements in sorted(kept, key=lambda one: fraction("cap", 0, one[0].id)):
        if len(expected) + len(judgements) <= 6:
            expected += [example_name(judgement) for judgement in judgements]
    names, left_out = drawn(settings, kept)
    assert sorted(names) == sorted(expected)
    assert left_out == {"max_examples": 40 - len(expected)}


@pytest.mark.parametrize(
    ("limit", "examples", "left_out"),
    [
        (None, 6, {"balance": 5}),
        (3, 2, {"max_examples": 9}),
        (6, 6, {"max_examples": 5}),
        (7, 6, {"max_examples": 5}),
        (8, 6, {"balance": 5}),
    ],
)
def test_what_is_left_out_is_put_down_to_the_limit_or_to_the_scarce_letter(
    limit: int | None, examples: int, left_out: dict[str, int]
) -> None:
    settings = FilteringSection(both_orders=False, max_examples=limit)
    names, found = drawn(settings, singles(5, 3, settings))
    assert (len(names), found) == (examples, left_out)


@pytest.mark.parametrize(
    ("changes", "examples", "left_out"),
    [
        ({}, 12, {}),
        ({"max_examples": 5}, 4, {"max_examples": 8}),
        ({"max_examples": 100}, 12, {}),
        ({"traces_per_pair": 2}, 12, {}),  # drawn singly
        ({"traces_per_pair": 2, "max_examples": 5}, 5, {"max_examples": 7}),
        ({"both_orders": False}, 4, {"balance": 8}),
    ],
)
def test_the_unfiltered_control_is_balanced_only_where_orders_are_kept_singly(
    changes: dict[str, object], examples: int, left_out: dict[str, int]
) -> None:
    settings = FilteringSection(keep="unfiltered", **changes)
    kept = singles(4, 2, settings)
    names, found = drawn(settings, kept)
    assert (len(names), found) == (examples, left_out)


@pytest.mark.parametrize(
    ("settings", "examples"),
    [
        ({}, 4),
        ({"majority": True}, 4),
        ({"reason_words": 1}, 6),
        ({"last_verdict": "same"}, 6),
        ({"traces_per_pair": 4}, 6),
        ({"both_orders": False}, 6),
    ],
)
def test_a_pair_is_taken_whole_unless_a_setting_may_leave_out_one_of_its_judgements(
    settings: dict[str, object], examples: int
) -> None:
    kept = [(pair(at), [*both(pair(at), *RIGHT, 0), *both(pair(at), *RIGHT, 1)]) for at in range(3)]
    names, left_out = drawn(FilteringSection(max_examples=6, **settings), kept)
    assert (len(names), left_out) == (examples, {"max_examples": 12 - examples})


CAPPED = {
    "pairs_per_kind": {"caption": 2, "yes_no": 2},
    "pairs_per_error": {"colour": 2, "count": 2, "vote": 6},
    "pairs_per_image": {"x": 2, "y": 2, "none": 6},
}


@pytest.mark.parametrize("cap", CAPPED)
def test_a_cap_counts_each_group_for_itself_and_not_what_is_in_none(cap: str) -> None:
    groups = list(CAPPED[cap])
    kept, group_of = [], {}
    for number in range(6 * len(groups)):
        of, name = pair(number), groups[number % len(groups)]
        group_of[of.id] = name
        if cap == "pairs_per_kind":
            question = msgspec.structs.replace(of.question, kind=Kind(name))
        else:
            images = {"none": ()}.get(name, (name, f"second {number}"))
            question = msgspec.structs.replace(of.question, images=images)
        origin = Voted(counts={}) if name == "vote" else Altered(error=name, place="")
        of = msgspec.structs.replace(of, question=question, origin=origin)
        kept.append((of, both(of, *RIGHT)))
    names, left_out = drawn(FilteringSection(**{cap: 2}), kept)
    taken = Counter(group_of[name.split("/")[0]] for name in names)
    assert taken == {name: 2 * count for name, count in CAPPED[cap].items()}
    assert left_out == {cap: 2 * len(kept) - len(names)}


def test_of_two_caps_that_are_full_the_first_is_counted_and_a_pair_left_out_takes_no_place() -> (
    None
):
    kept = []
    for number in range(30):
        kind = Kind.CAPTION if number % 3 else Kind.YES_NO
        question = msgspec.structs.replace(pair(number, images=2).question, kind=kind)
        of = msgspec.structs.replace(pair(number), question=question)
        kept.append((of, both(of, *RIGHT)))
    settings = FilteringSection(pairs_per_kind=6, pairs_per_image=7)
    taken: dict[str, Counter[str]] = {"kind": Counter(), "image": Counter()}
    expected, left_out = [], Counter[str]()
    for of, judgements in sorted(kept, key=lambda one: fraction("cap", 0, one[0].id)):
        kind, image = str(of.question.kind), of.question.images[0]
        if taken["kind"][kind] == 6:
            left_out["pairs_per_kind"] += 2
        elif taken["image"][image] == 7:
            left_out["pairs_per_image"] += 2
        else:
            taken["kind"][kind] += 1
            taken["image"][image] += 1
            expected += [example_name(judgement) for judgement in judgements]
    names, found = drawn(settings, kept)
    assert (sorted(names), found) == (sorted(expected), left_out)


def test_a_cap_counts_pairs_whether_one_or_more_of_their_judgements_are_kept() -> None:
    settings = FilteringSection(both_orders=False, pairs_per_kind=5)
    kept = singles(4, 4, settings)
    order = sorted(kept, key=lambda one: fraction("cap", 0, one[0].id))
    _, left_out = drawn(settings, kept)
    assert left_out["pairs_per_kind"] == sum(len(found) for _, found in order[5:]) > 0


@pytest.mark.parametrize(
    ("settings", "grows"),
    [({}, False), ({"keep": "unfiltered"}, False), ({"max_examples": 4}, True),
     ({"pairs_per_kind": 9}, True), ({"traces_per_pair": 1}, True), ({"reason_words": 1}, True)],
)  # fmt: skip
def test_nothing_is_remembered_where_nothing_is_to_be_drawn(
    settings: dict[str, object], grows: bool
) -> None:
    subsampler = Subsampler(FilteringSection(**settings), seed=0)

    def size() -> int:
        return sum(sys.getsizeof(value) for value in vars(subsampler).values())

    before = size()
    for number in range(200):
        subsampler.add(pair(number), both(pair(number), *RIGHT))
    assert (size() > before + 1000) is grows
