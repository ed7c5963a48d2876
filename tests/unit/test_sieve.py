"""Which traces teach no reasoning: verdicts alone, boilerplate and near duplicates."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from judgeloop.method.filtering.agreement import keep_judgements
from judgeloop.method.filtering.near_duplicates import COMPARED, NearDuplicates
from judgeloop.method.filtering.reasons import (
    SharedSentences,
    names_an_answer,
    reason_of,
    words_of,
)
from judgeloop.method.filtering.sieve import Sieve, needs_sieve
from judgeloop.schema.method_sections import FilteringSection
from judgeloop.schema.records import Choice, Example, Judgement
from judgeloop.schema.results import Funnel
from judgeloop.store import FolderStore
from judgeloop.store.disk_dict import DiskDict
from judgeloop.store.shards import read_records
from tests.unit.test_filter import both, pair, run_filter

BOILERPLATE = "I will compare the two answers claim by claim."


def saying(text: str) -> Judgement:
    return msgspec.structs.replace(both(pair(1), Choice.A, Choice.B)[0], text=text)


def sieve(*texts: str, **settings: object) -> Sieve:
    rules = FilteringSection(**settings)
    shared = None
    if rules.max_sentence_share is not None:
        shared = SharedSentences(rules.max_sentence_share)
        for text in texts:
            shared.add([saying(text)])
    return Sieve(rules, shared, DiskDict[str, str]())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("The circle is red.\n\nVerdict: Response 1", "The circle is red."),
        ("I see red circle north A", "I see red circle north"),
        ("Verdict: B", "Verdict:"),
        ("[[A]]", ""),
        ("", ""),
        ("The circle is red.\nThe square is not.\nSo B", "The circle is red.\nThe square is not."),
        ("圆是红色的。\n答案：A", "圆是红色的。"),
    ],
)
def test_the_reason_is_what_stands_beside_the_verdict(text: str, reason: str) -> None:
    assert reason_of(text) == reason


@pytest.mark.parametrize("text", ["A", "[[A]]", "Verdict: Response 1", "\n\nVerdict: A\n"])
def test_a_verdict_alone_is_no_reason(text: str) -> None:
    assert sieve(reason_words=3).fault(pair(1), saying(text)) == "no_reason"
    assert sieve().fault(pair(1), saying(text)) is None  # by default nothing is asked


@pytest.mark.parametrize(
    ("chosen", "rejected", "reason", "names"),
    [
        ("a red circle", "a blue circle", "The second says blue.", True),
        ("a red circle", "a blue circle", "One of them has the circle right.", False),
        ("3 dogs", "4 dogs", "I count 3.", True),
        ("3 dogs", "4 dogs", "I counted the animals.", False),
        ("2 cm", "2 mm", "They are 2.", True),  # no other word of them has three letters
        ("a cat", "a dog", "It is a dog.", True),
        ("a cat", "a dog", "It is a bird.", False),
        ("é", "ö", "I read é.", True),
        ("dogs", "dogs", "These are dogs.", True),  # nothing differs: any of their words
        ("dogs", "dogs", "These are cats.", False),
        ("a wolf", "the wolf", "The wolf howls.", True),
        ("红色的圆", "蓝色的圆", "图中是红色", True),
        ("dogs and cats", "cats and dogs", "The cats come first.", True),
        ("ja", "no", "Whatever.", True),  # there is no word that could tell
    ],
)
def test_a_reason_names_a_word_in_which_the_answers_differ(
    chosen: str, rejected: str, reason: str, names: bool
) -> None:
    of = msgspec.structs.replace(pair(1), chosen=chosen, rejected=rejected)
    assert names_an_answer(reason, of) is names


def test_what_a_reason_names_is_asked_only_by_its_setting() -> None:
    empty = saying("Both were read with care and one of them is right.\nVerdict: A")
    assert sieve(reason_names_answer=True).fault(pair(1), empty) == "names_nothing"
    assert sieve(reason_words=3).fault(pair(1), empty) is None


def test_a_trace_of_sentences_that_many_share_is_boilerplate_and_others_keep_theirs() -> None:
    many = [f"{BOILERPLATE} The circle number {at} is red.\nVerdict: A" for at in range(20)]
    bare = f"{BOILERPLATE.upper()}\nVerdict: A"
    found = sieve(*many, bare, max_sentence_share=0.5, reason_words=3)
    assert [found.fault(pair(1), saying(text)) for text in many] == [None] * 20
    assert found.fault(pair(1), saying(bare)) == "boilerplate"
    few = sieve(*many, bare, max_sentence_share=1.0, reason_words=3)
    assert few.fault(pair(1), saying(bare)) is None


@pytest.mark.parametrize(("pairs", "found"), [(39, "boilerplate"), (40, None), (41, None)])
def test_a_sentence_of_exactly_the_share_is_allowed(pairs: int, found: str | None) -> None:
    same = "The circle is red in the picture.\nVerdict: A"
    others = [f"Here number {at} is red.\nVerdict: A" for at in range(pairs - 10)]
    sifted = sieve(*[same] * 10, *others, max_sentence_share=0.25)
    assert sifted.fault(pair(1), saying(same)) == found


def test_a_pair_of_which_nothing_is_kept_does_not_count() -> None:
    shared = SharedSentences(0.5)
    for kept in [[saying("It is red.\nA")]] * 6 + [[]] * 20:
        shared.add(kept)
    assert shared.without("It is red. So is the square.") == "So is the square."


def test_what_is_left_of_a_reason_without_its_boilerplate_must_suffice() -> None:
    few = f"{BOILERPLATE} Red it is.\nVerdict: A"
    enough, other = few.replace("it", "it really"), few.replace("Red", "Round")
    texts = [f"{BOILERPLATE} Here is text {at}.\nVerdict: A" for at in range(20)]
    sifted = sieve(*texts, max_sentence_share=0.5, reason_words=4, reason_names_answer=True)
    faults = [sifted.fault(pair(1), saying(text)) for text in (few, enough, other)]
    assert faults == ["boilerplate", None, "names_nothing"]
    assert sieve(*texts, max_sentence_share=0.5).fault(pair(1), saying(texts[0])) is None
    assert sieve(*[few] * 9, max_sentence_share=0.5).fault(pair(1), saying(few)) == "boilerplate"


@pytest.mark.parametrize(
    ("pieces", "kept"),
    [
        ("It is red.\n\n***\n圆是红的。真的！It is!", "It is red. 圆是红的。 真的！ It is!"),
        ("One? Two!\nthree", "One? Two! three"),
        ("... ?! -", ""),
    ],
)
def test_a_reason_is_cut_into_sentences_of_words(pieces: str, kept: str) -> None:
    assert SharedSentences(0.5).without(pieces) == kept


@pytest.mark.parametrize(
    ("sharing", "others", "found"),
    [
        (2, 4, None),  # a third of six pairs, but two are no habit
        (5, 15, None),
        (6, 14, "boilerplate"),
        (6, 200, None),  # less than the share
        (12, 200, "boilerplate"),
    ],
)
def test_a_sentence_that_few_pairs_share_is_no_boilerplate_whatever_their_share(
    sharing: int, others: int, found: str | None
) -> None:
    same = "The circle is red in the picture.\nVerdict: A"
    texts = [*[same] * sharing, *(f"Here number {at} is red.\nVerdict: A" for at in range(others))]
    sifted = sieve(*texts, max_sentence_share=0.05, reason_words=3)
    assert sifted.fault(pair(1), saying(same)) == found


def test_traces_of_one_pair_may_share_their_sentences() -> None:
    shared = SharedSentences(0.05)
    shared.add([saying("The circle is red.\nVerdict: A")] * 16)
    assert shared.without("The circle is red.") == "The circle is red."


def test_a_near_duplicate_of_a_kept_trace_is_left_out_and_one_of_a_left_out_trace_is_not() -> None:
    found = sieve(max_similarity=0.9, reason_words=4)
    long = "The circle in the upper half is red and the square beside it has a blue border"
    near = long.replace("upper", "lower")
    assert found.fault(pair(1), saying(f"{long}\nA")) is None
    assert found.fault(pair(2), saying(f"{near}\nA")) == "near_duplicate"
    assert found.fault(pair(3), saying(f"{long} but its frame cannot be made out here\nA")) is None
    assert found.fault(pair(4), saying("too short\nA")) == "no_reason"
    assert found.fault(pair(5), saying("too short\nA")) == "no_reason"  # not a duplicate of it


def test_a_text_is_compared_with_so_many_earlier_ones_of_a_band() -> None:
    texts = [["a", "b"] * (2 + at) for at in range(COMPARED + 4)]  # the same pairs of words
    known = NearDuplicates(1.0, DiskDict[str, str]())
    assert not any(map(known.repeats, texts))
    assert [known.repeats(words) for words in texts] == [True] * COMPARED + [False] * 4


def test_from_the_threshold_on_a_text_repeats_an_earlier_one() -> None:
    words = [f"w{at}" for at in range(20)]
    for changed, threshold, repeats in ((1, 0.95, True), (1, 0.951, False), (2, 0.9, True)):
        known = NearDuplicates(threshold, DiskDict[str, str]())
        assert not known.repeats(words)
        assert known.repeats([*words[changed:], *["other"] * changed]) is repeats


def test_texts_of_no_word_or_one_repeat_the_same_alone() -> None:
    known = NearDuplicates(0.5, DiskDict[str, str]())
    texts: list[list[str]] = [[], ["red"], ["blue"], [], ["red"], ["red", "red"]]
    assert [known.repeats(words) for words in texts] == [False, False, False, True, True, False]


def test_which_texts_are_found_to_be_near_is_the_same_in_every_release() -> None:
    known, found = NearDuplicates(0.4, DiskDict[str, str]()), ""
    for at in range(48):
        words = [f"w{at // 2}x{place}" for place in range(20)]
        words[::3] = [f"{'odd' if at % 2 else 'even'}{place}x{at}" for place in range(7)]
        found += "+" if known.repeats(words) else "-"
    assert found[::2] == "-" * 24
    assert found[1::2] == "----+--+----+-+-+----+-+"


@pytest.mark.parametrize("changed", [1, 2])
def test_nearly_all_near_duplicates_are_found_among_many_texts(changed: int) -> None:
    known, missed = NearDuplicates(0.8, DiskDict[str, str]()), 0
    for at in range(300):
        assert not known.repeats([f"w{at}x{place}" for place in range(20)])
    for at in range(300):
        words = [f"w{at}x{place}" for place in range(20)]
        words[5 : 5 + changed] = ["other"] * changed
        missed += not known.repeats(words)
    assert missed <= 3


def test_templated_texts_take_time_that_grows_with_their_number_alone() -> None:
    def seconds(count: int) -> float:
        known, started = NearDuplicates(0.99, DiskDict[str, str]()), time.process_time()
        for at in range(count):
            known.repeats([*(["the", "same", "words"] * 20), str(at), str(at * 7)])
        return time.process_time() - started

    assert seconds(800) < 12 * seconds(200) + 0.5


def test_a_pair_with_only_faulty_traces_is_lost_for_their_most_frequent_fault() -> None:
    judgements = both(pair(1), Choice.A, Choice.B)
    outcome = keep_judgements(pair(1), judgements, FilteringSection(), 0, lambda *_: "no_reason")
    assert (outcome.reason, outcome.kept, outcome.faults) == ("no_reason", (), {"no_reason": 2})


def test_a_faulty_trace_takes_no_place_of_those_that_a_pair_may_have() -> None:
    judgements = [j for at in range(3) for j in both(pair(1), Choice.A, Choice.B, at)]
    bad = {(j.order, j.sample) for j in judgements[:4]}
    outcome = keep_judgements(
        pair(1), judgements, FilteringSection(traces_per_pair=2), 0,
        lambda _, j: "no_reason" if (j.order, j.sample) in bad else None,
    )  # fmt: skip
    assert {(j.order, j.sample) for j in outcome.kept} == {
        (j.order, j.sample) for j in judgements[4:]
    }


def test_the_stage_counts_what_the_sieve_left_out_and_stays_balanced(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)  # all traces are `I see red circle <letter>`
    manifest = run_filter(store, [(Choice.A, Choice.B)] * 6, max_similarity=0.9)
    funnel = manifest.expect(Funnel)
    assert funnel.further == {"near_duplicate": 5}
    assert funnel.faulty_traces == {"near_duplicate": 11}
    assert funnel.kept == funnel.kept_judgements == 1  # its other order repeats it
    assert funnel.examples == 0
    assert funnel.capped_by == {"balance": 1}
    whole = run_filter(store, [(Choice.A, Choice.B)] * 6, reason_names_answer=True, reason_words=3)
    letters = Counter(e.completion[-1] for e in read_records(store, whole, Example))
    assert letters == {"A": 6, "B": 6}


@pytest.mark.parametrize(
    ("settings", "sifts"),
    [
        ({}, False),
        ({"max_sentence_share": 0.5}, True),
        ({"max_similarity": 0.9}, True),
        ({"reason_words": 1}, True),
        ({"reason_names_answer": True}, True),
        ({"permuted_options": True}, True),
        ({"last_verdict": "same"}, True),
        ({"last_verdict": "not_opposite"}, True),
        ({"majority": True, "traces_per_pair": 1}, False),
    ],
)
def test_traces_are_sifted_only_by_the_settings_of_the_sieve(
    settings: dict[str, object], sifts: bool
) -> None:
    assert needs_sieve(FilteringSection(**settings)) is sifts


def test_words_are_lower_case_without_signs() -> None:
    assert words_of("It's 3, 图!") == ["it's", "3", "图"]
