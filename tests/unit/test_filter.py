"""What filtering keeps, and that what it keeps is balanced."""

import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judgeloop.method.filtering.agreement import join_judgements, keep_judgements
from judgeloop.method.filtering.subsample import LETTERS, Subsampler, example_name
from judgeloop.method.judging.verdict import undecided
from judgeloop.runtime.stages.filter import filter_judgements
from judgeloop.schema.config import Config, load_config
from judgeloop.schema.errors import DataError
from judgeloop.schema.keys import fraction
from judgeloop.schema.method_sections import FilteringSection
from judgeloop.schema.records import (
    Altered,
    Choice,
    Example,
    Judgement,
    Kind,
    Manifest,
    Order,
    Pair,
    Question,
    Verdict,
    Voted,
)
from judgeloop.schema.results import Funnel
from judgeloop.store import FolderStore, Store
from judgeloop.store.shards import Work, finish, read_records, write_shards

MICRO = Path(__file__).parents[2] / "pipelines" / "configs" / "micro.yaml"
AGREEING = FilteringSection()
CHOICES = st.sampled_from(list(Choice))


def pair(number: int, images: int = 1) -> Pair:
    shown = (str(number % images),)
    question = Question(id=f"q{number}", images=shown, text="caption", kind=Kind.CAPTION)
    return Pair(
        id=f"pair{number}",
        question=question,
        chosen="red circle",
        rejected="blue circle",
        origin=Altered(error="colour", place="red -> blue"),
    )


def judgement(of: Pair, order: Order, choice: Choice, sample: int = 0) -> Judgement:
    verdict = undecided("empty") if choice is Choice.UNDECIDED else Verdict(choice=choice)
    return Judgement(
        pair_id=of.id, order=order, sample=sample, text=f"I see red circle {choice}",
        verdict=verdict, finish_reason="stop", tokens=5,
    )  # fmt: skip


def both(of: Pair, first: Choice, second: Choice, sample: int = 0) -> list[Judgement]:
    """Judgements with the chosen answer shown first, then with the rejected one shown first."""
    return [
        judgement(of, Order.CHOSEN_FIRST, first, sample),
        judgement(of, Order.REJECTED_FIRST, second, sample),
    ]


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (Choice.A, Choice.B, "kept"),
        (Choice.A, Choice.A, "one_order"),
        (Choice.B, Choice.B, "one_order"),
        (Choice.B, Choice.A, "disagreeing"),
        (Choice.UNDECIDED, Choice.B, "undecided"),
        (Choice.A, Choice.UNDECIDED, "undecided"),
    ],
)
def test_only_agreement_in_both_orders_is_kept(first: Choice, second: Choice, reason: str) -> None:
    outcome = keep_judgements(pair(1), both(pair(1), first, second), AGREEING, seed=0)
    assert outcome.reason == reason
    assert len(outcome.kept) == (2 if reason == "kept" else 0)


def test_each_sample_is_kept_or_dropped_by_its_own_two_orders() -> None:
    judgements = both(pair(1), Choice.A, Choice.B, 0) + both(pair(1), Choice.A, Choice.A, 1)
    outcome = keep_judgements(pair(1), judgements, AGREEING, seed=0)
    assert {j.sample for j in outcome.kept} == {0}


def test_with_single_orders_one_agreeing_judgement_is_kept() -> None:
    single = FilteringSection(both_orders=False)
    outcome = keep_judgements(pair(1), both(pair(1), Choice.A, Choice.A), single, seed=0)
    assert [j.order for j in outcome.kept] == [Order.CHOSEN_FIRST]


def test_the_unfiltered_control_keeps_wrong_judgements_too_but_no_undecided_ones() -> None:
    unfiltered = FilteringSection(keep="unfiltered")
    wrong = keep_judgements(pair(1), both(pair(1), Choice.B, Choice.A), unfiltered, seed=0)
    assert len(wrong.kept) == 2
    unclear = both(pair(1), Choice.UNDECIDED, Choice.A)
    assert keep_judgements(pair(1), unclear, unfiltered, seed=0).kept == ()


def test_the_shuffled_control_flips_about_half_of_the_preferences() -> None:
    shuffled = FilteringSection(keep="shuffled")
    kept = [
        bool(keep_judgements(pair(i), both(pair(i), Choice.A, Choice.B), shuffled, 0).kept)
        for i in range(1000)
    ]
    assert 450 < sum(kept) < 550
    assert [i for i in range(16) if kept[i]] == [1, 2, 5, 10, 11, 13, 15]  # in every release


def test_a_judgement_of_an_unknown_pair_and_a_pair_without_judgement_are_refused() -> None:
    with pytest.raises(DataError, match="pair2"):
        join_judgements([pair(1)], both(pair(2), Choice.A, Choice.B))
    with pytest.raises(DataError, match="pair1"):
        join_judgements([pair(1)], [])


def test_joining_is_by_id_whatever_the_order_of_the_rows() -> None:
    pairs = [pair(1), pair(2)]
    rows = both(pair(2), Choice.A, Choice.B) + both(pair(1), Choice.B, Choice.A)
    joined = join_judgements(pairs, rows)
    assert [(p.id, {j.pair_id for j in found}) for p, found in joined] == [
        ("pair1", {"pair1"}),
        ("pair2", {"pair2"}),
    ]


def run_filter(
    store: Store, verdicts: list[tuple[Choice, Choice]], images: int = 1, **changes: object
) -> Manifest:
    config = load_config(MICRO)
    config = msgspec.structs.replace(
        config, filtering=msgspec.structs.replace(config.filtering, **changes)
    )
    pairs = [pair(number, images) for number in range(len(verdicts))]
    batches = [pairs[i : i + 3] for i in range(0, len(pairs), 3)]
    made = finish(store, write_shards(
        store, Manifest(stage="synthesize", stage_version=1, key="k", partition=0), batches,
        lambda batch: Work(list(batch)),
    ))  # fmt: skip
    by_id = dict(zip((p.id for p in pairs), verdicts, strict=True))
    judged = finish(store, write_shards(
        store, Manifest(stage="judge", stage_version=1, key="k", inputs=("k",)), batches,
        lambda batch: Work([j for p in batch for j in both(p, *by_id[p.id])]),
    ))  # fmt: skip
    return filter_judgements(config, store, [made], [judged])


def empty(partition: int | None) -> tuple[Manifest, Manifest]:
    """Pairs of a partition and their judgements: none."""
    pairs = Manifest(stage="synthesize", stage_version=1, key=f"p{partition}", partition=partition)
    return pairs, Manifest(stage="judge", stage_version=1, key="j", inputs=(pairs.key,))


@pytest.mark.parametrize("found", [[0], [1], [0, 2], [0, 1, 2], [None, 1]])
def test_pairs_of_other_partitions_than_the_configurations_are_refused(
    tmp_path: Path, found: list[int | None]
) -> None:
    config = load_config(MICRO, ["loop.partitions=2"])
    pairs, judged = zip(*map(empty, found), strict=True)
    with pytest.raises(DataError, match=r"partitions is 2.*compile and run .* 2 partition"):
        filter_judgements(config, FolderStore(tmp_path), pairs, judged)


def test_partitions_may_come_in_any_order(tmp_path: Path) -> None:
    config = load_config(MICRO, ["loop.partitions=2"])
    pairs, judged = zip(*map(empty, [1, 0]), strict=True)
    manifest = filter_judgements(config, FolderStore(tmp_path), pairs, judged[::-1])
    assert manifest.inputs == ("j", "j")


def test_how_many_examples_are_enough_does_not_change_what_is_kept(tmp_path: Path) -> None:
    few, many, capped = (
        run_filter(FolderStore(tmp_path), [(Choice.A, Choice.B)] * 4, **changes)
        for changes in ({}, {"min_examples": 100}, {"max_examples": 2})
    )
    assert few.key == many.key != capped.key


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(CHOICES, CHOICES), min_size=1, max_size=12))
def test_kept_examples_are_balanced_and_the_funnel_adds_up(
    tmp_path_factory: pytest.TempPathFactory, verdicts: list[tuple[Choice, Choice]]
) -> None:
    store = FolderStore(tmp_path_factory.mktemp("store"))
    manifest = run_filter(store, verdicts)
    examples = list(read_records(store, manifest, Example))
    letters = Counter(example.completion[-1] for example in examples)
    assert letters["A"] == letters["B"]
    funnel = manifest.expect(Funnel)
    assert funnel.pairs == len(verdicts)
    lost = funnel.undecided + funnel.disagreeing + funnel.one_order
    assert funnel.kept + lost == len(verdicts)
    assert funnel.examples == len(examples) == 2 * funnel.kept
    assert len({example.id for example in examples}) == len(examples)


def test_the_cap_drops_whole_pairs(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    manifest = run_filter(store, [(Choice.A, Choice.B)] * 10, max_examples=7)
    names = [example.id for example in read_records(store, manifest, Example)]
    assert len(names) == 6
    assert set(Counter(name.split("/")[0] for name in names).values()) == {2}
    assert manifest.expect(Funnel).capped == 14


def drawn_from_whole_lists(kept: list[Judgement], limit: int | None, seed: int) -> set[str]:
    """What `Subsampler` promises of whole pairs, said with lists of all that was kept."""
    chosen: set[str] = set()
    for pair_id in sorted({j.pair_id for j in kept}, key=lambda p: fraction("cap", seed, p)):
        names = {example_name(j) for j in kept if j.pair_id == pair_id}
        if limit is None or len(chosen) + len(names) <= limit // 2 * 2:
            chosen |= names
    return chosen


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(CHOICES, min_size=2, max_size=6), max_size=30),
    st.booleans(),
    st.booleans(),
    st.none() | st.integers(1, 3),
    st.none() | st.integers(1, 40),
    st.integers(0, 3),
)
def test_the_draw_is_balanced_to_the_last_example_and_takes_all_that_fits(
    verdicts: list[list[Choice]],
    both_orders: bool,
    majority: bool,
    traces: int | None,
    limit: int | None,
    seed: int,
) -> None:
    rules = FilteringSection(
        both_orders=both_orders, majority=majority, traces_per_pair=traces, max_examples=limit
    )
    subsampler, kept = Subsampler(rules, seed), []
    for number, choices in enumerate(verdicts):
        couples = [both(pair(number), *choices[i : i + 2], i) for i in range(0, len(choices) - 1)]
        judgements = [judgement for couple in couples for judgement in couple]
        found = keep_judgements(pair(number), judgements, rules, seed).kept
        assert len(found) <= (traces or len(judgements))
        subsampler.add(pair(number), found)
        kept += found
    subsampler.close()
    taken = [j for j in kept if subsampler.includes(j)]
    letters = Counter(j.verdict.choice for j in taken)
    assert letters[Choice.A] == letters[Choice.B]
    if both_orders and traces is None:
        assert {example_name(j) for j in taken} == drawn_from_whole_lists(kept, limit, seed)
    else:
        there = Counter(j.verdict.choice for j in kept)
        room = [sys.maxsize] if limit is None else [limit // 2]
        assert letters[Choice.A] == min([there[letter] for letter in LETTERS] + room)
    assert subsampler.candidates == len(kept) == len(taken) + subsampler.left_out.total()


@pytest.mark.parametrize(
    ("samples", "reason", "kept"),
    [
        ([(Choice.A, Choice.B)] * 2 + [(Choice.A, Choice.A)], "kept", 4),
        ([(Choice.A, Choice.B)] + [(Choice.A, Choice.A)] * 2, "minority", 0),
        ([(Choice.A, Choice.A)] * 2 + [(Choice.B, Choice.B)] * 2, "minority", 0),
        ([(Choice.A, Choice.B)] * 2 + [(Choice.UNDECIDED, Choice.B)] * 2, "minority", 0),
        ([(Choice.A, Choice.A), (Choice.A, Choice.B), (Choice.B, Choice.B)], "kept", 4),
        ([(Choice.A, Choice.A)] * 3, "one_order", 0),
        ([(Choice.B, Choice.A)] * 3, "disagreeing", 0),
    ],
)
def test_the_majority_of_all_samples_of_each_order_must_agree(
    samples: list[tuple[Choice, Choice]], reason: str, kept: int
) -> None:
    judgements = [j for at, found in enumerate(samples) for j in both(pair(1), *found, at)]
    outcome = keep_judgements(pair(1), judgements, FilteringSection(majority=True), seed=0)
    assert (outcome.reason, len(outcome.kept)) == (reason, kept)
    assert all(j.agrees for j in outcome.kept)
    orders = Counter(j.order for j in outcome.kept)
    assert orders[Order.CHOSEN_FIRST] == orders[Order.REJECTED_FIRST]


def test_a_majority_in_one_order_is_enough_where_orders_are_kept_singly() -> None:
    judgements = [j for at in range(3) for j in both(pair(1), Choice.A, Choice.A, at)]
    rules = FilteringSection(majority=True, both_orders=False)
    outcome = keep_judgements(pair(1), judgements, rules, seed=0)
    assert {j.order for j in outcome.kept} == {Order.CHOSEN_FIRST}
    assert len(outcome.kept) == 3


@pytest.mark.parametrize("most", [1, 2, 3, 4])
def test_so_many_traces_of_a_pair_are_drawn_and_their_letters_differ_by_one_at_most(
    most: int,
) -> None:
    first = Counter[Order]()
    for number in range(40):
        of = pair(number)
        judgements = [j for at in range(4) for j in both(of, Choice.A, Choice.B, at)]
        rules = FilteringSection(traces_per_pair=most)
        kept = keep_judgements(of, judgements, rules, seed=0).kept
        orders = Counter(j.order for j in kept)
        assert len(kept) == most
        assert abs(orders[Order.CHOSEN_FIRST] - orders[Order.REJECTED_FIRST]) == most % 2
        first.update(orders)
    assert min(first.values()) > 12 * most  # neither letter is favoured


def test_one_trace_a_pair_makes_equally_many_examples_of_each_letter(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    manifest = run_filter(store, [(Choice.A, Choice.B)] * 30, traces_per_pair=1)
    examples = list(read_records(store, manifest, Example))
    letters = Counter(example.completion[-1] for example in examples)
    assert letters["A"] == letters["B"] > 8
    assert len({example.id.split("/")[0] for example in examples}) == len(examples)
    funnel = manifest.expect(Funnel)
    assert funnel.kept_judgements == funnel.kept == 30
    assert funnel.capped_by == {"balance": 30 - len(examples)}


@pytest.mark.parametrize(
    ("cap", "pairs"), [("pairs_per_kind", 5), ("pairs_per_error", 5), ("pairs_per_image", 15)]
)
def test_a_cap_bounds_the_pairs_of_each_group_and_is_counted(
    cap: str, pairs: int, tmp_path: Path
) -> None:
    store = FolderStore(tmp_path)
    manifest = run_filter(store, [(Choice.A, Choice.B)] * 30, images=3, **{cap: 5})
    funnel = manifest.expect(Funnel)
    assert funnel.examples == 2 * pairs
    assert funnel.capped_by == {cap: 60 - 2 * pairs}
    names = [example.id.split("/")[0] for example in read_records(store, manifest, Example)]
    images = Counter(int(name.removeprefix("pair")) % 3 for name in names)
    if cap == "pairs_per_image":
        assert set(images.values()) == {10}


def test_a_cap_on_planted_errors_leaves_pairs_by_vote_alone() -> None:
    subsampler = Subsampler(FilteringSection(pairs_per_error=2), seed=0)
    kept = []
    for number in range(12):
        of = pair(number)
        if number % 2:
            of = msgspec.structs.replace(of, origin=Voted(counts={"red": 9, "blue": 7}))
        kept += both(of, Choice.A, Choice.B)
        subsampler.add(of, kept[-2:])
    subsampler.close()
    names = {judgement.pair_id for judgement in kept if subsampler.includes(judgement)}
    odd = {pair(number).id for number in range(1, 12, 2)}
    assert odd < names
    assert len(names) == len(odd) + 2


def test_the_funnel_adds_up_by_kind_of_question_and_of_error(tmp_path: Path) -> None:
    verdicts = [(Choice.A, Choice.B), (Choice.A, Choice.A), (Choice.B, Choice.A),
                (Choice.UNDECIDED, Choice.A)] * 3  # fmt: skip
    funnel = run_filter(FolderStore(tmp_path), verdicts).expect(Funnel)
    for group in (funnel.kinds["caption"], funnel.errors["colour"]):
        assert group.lost == {"undecided": 3, "one_order": 3, "disagreeing": 3}
        assert group.pairs == group.kept + sum(group.lost.values()) == 12


def test_single_orders_are_cut_to_equal_letters(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    always_a = [(Choice.A, Choice.A)] * 6
    manifest = run_filter(store, [*always_a, (Choice.A, Choice.B)], both_orders=False)
    letters = Counter(e.completion[-1] for e in read_records(store, manifest, Example))
    assert letters == {"A": 1, "B": 1}


def test_the_prompt_of_an_example_shows_the_answers_as_its_order_did(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    examples = list(read_records(store, run_filter(store, [(Choice.A, Choice.B)]), Example))
    shown = {example.id.split("/")[1]: example.prompt for example in examples}
    assert shown["chosen_first"].index("red circle") < shown["chosen_first"].index("blue circle")
    assert shown["rejected_first"].index("blue circle") < shown["rejected_first"].index("red")


def test_pairs_and_judgements_of_other_pairs_are_refused(tmp_path: Path) -> None:
    config: Config = load_config(MICRO)
    store = FolderStore(tmp_path)
    pairs = Manifest(stage="synthesize", stage_version=1, key="one")
    judged = Manifest(stage="judge", stage_version=1, key="x", inputs=("two",))
    with pytest.raises(DataError, match="don't belong together"):
        filter_judgements(config, store, [pairs], [judged])
