"""A judge without picture and question stays at chance, or says what gives answers away."""

import random
import sys

import msgspec
import pytest

from judgeloop.evaluation.giveaway import explain_giveaway
from judgeloop.evaluation.statistics import wilson
from judgeloop.method.filtering.agreement import Outcome
from judgeloop.method.filtering.blind import MAX_WORDS, MIN_PAIRS, WARM_UP, BlindJudge
from judgeloop.method.filtering.funnel import FunnelCounter
from judgeloop.method.judging.verdict import undecided
from judgeloop.schema.keys import fraction
from judgeloop.schema.records import Altered, Choice, Kind, Pair, Question
from tests.unit.test_filter import both
from tests.unit.test_filter import pair as caption_pair

COLOURS = ("red", "green", "blue", "yellow", "white", "black", "brown", "grey")
CLOSING = ")" * 8
TIES = 17
"""How many of 30 guesses are right where the answers do not differ, in every release."""
THINGS = ("sofa", "car", "ball", "house", "door", "cup", "hat", "boat")


def pairs(count: int, give_away: str = "", seed: int = 0) -> list[Pair]:
    """Pairs that differ in a colour, in which nothing but `give_away` tells the rejected one."""
    rng = random.Random(seed)
    made = []
    for number in range(count):
        thing, (one, other) = rng.choice(THINGS), rng.sample(COLOURS, 2)
        texts = [f"There is a {colour} {thing}, number {number}." for colour in (one, other)]
        if give_away == "preamble":
            texts[1] = f"Sure! {texts[1]}"
        elif give_away == "longer":
            texts[1] = texts[1].replace("There", "There really")
        elif give_away == "markup":
            texts[1] = texts[1].replace(other, f"**{other}**")
        elif give_away == "word":
            texts[1] = texts[1].replace(other, "purple")
        elif give_away == "ending":
            texts[1] = texts[1].rstrip(".")
        question = Question(id=str(number), images=("0",), text="?", kind=Kind.CAPTION)
        origin = Altered(error="colour", place="")
        made.append(Pair(id=f"{seed}/{number}", question=question, chosen=texts[0],
                         rejected=texts[1], origin=origin))  # fmt: skip
    return made


def judged(some: list[Pair]) -> BlindJudge:
    judge = BlindJudge()
    for pair in some:
        judge.add(pair)
    return judge


@pytest.mark.parametrize("seed", range(3))
def test_where_nothing_gives_answers_away_its_interval_holds_chance(seed: int) -> None:
    judge = judged(pairs(1000, seed=seed))
    assert judge.guesses == 1000 - WARM_UP
    found = wilson(judge.right, judge.guesses)
    assert found.low < 0.5 < found.high + 0.03


@pytest.mark.parametrize("give_away", ["preamble", "longer", "markup", "word", "ending"])
def test_what_gives_answers_away_is_found(give_away: str) -> None:
    judge = judged(pairs(400, give_away))
    assert judge.right / judge.guesses > 0.9
    assert "finds the rejected answers" in (explain_giveaway(judge.guesses, judge.right) or "")


@pytest.mark.parametrize(
    ("chosen", "rejected", "noticed"),
    [
        ("bb a a", "bb bb a", True),  # longer
        ("a bbb bbb", "a a a bbb", True),  # more words
        ("red car", "Red car", True),
        ("Red car", "REd car", False),
        ("7 a a", "7 7 a", True),
        ("it. is", "it is.", True),
        (f"it! is{CLOSING}", f"it is!{CLOSING}", True),
        (f"it! is{CLOSING})", f"it is!{CLOSING})", False),  # so much stands after it
        ("it is sure", "sure it is", True),
        ("the red car", "the RED car", True),
        ("red car", "red bus", True),
        ("red car", "car red", False),
        ("Red car", "Red Car", False),
        (f"{'a ' * (MAX_WORDS - 1)}car", f"{'a ' * (MAX_WORDS - 1)}bus", True),
        (f"{'a ' * MAX_WORDS}car", f"{'a ' * MAX_WORDS}bus", False),  # so far it does not read
    ],
)  # fmt: skip
def test_one_difference_is_enough_to_tell_the_rejected_answers_of_all_pairs(
    chosen: str, rejected: str, noticed: bool
) -> None:
    for more, less in ((chosen, rejected), (rejected, chosen)):
        judge = judged([
            msgspec.structs.replace(pair, chosen=more, rejected=less) for pair in pairs(80)
        ])  # fmt: skip
        assert (judge.right, judge.guesses) == (30 if noticed else TIES, 30)


@pytest.mark.parametrize(
    ("give_away", "right"), [("", 186), ("word", 238), ("ending", 239), ("markup", 237)]
)
def test_its_guesses_are_the_same_in_every_release(give_away: str, right: int) -> None:
    plain, telling = pairs(400, seed=1), pairs(400, give_away, seed=1)
    mixed = [pair if at % 3 else other for at, (pair, other) in
             enumerate(zip(plain, telling, strict=True))]  # fmt: skip
    assert judged(mixed).right == right


def test_pairs_without_any_difference_are_guessed_both_ways_the_same_in_every_release() -> None:
    judge, guesses = judged(pairs(WARM_UP)), ""
    for number in range(20):
        (pair,) = pairs(1, seed=number)
        alike = msgspec.structs.replace(pair, id=f"alike/{number}", rejected=pair.chosen)
        before = judge.right
        judge.add(alike)
        is_first = fraction("blind", alike.id) < 0.5
        guesses += "21"[(judge.right > before) == is_first]
    assert guesses == "21221222212121212212"


def test_a_funnel_counts_guesses_at_kept_pairs_alone() -> None:
    counter = FunnelCounter()
    for number, pair in enumerate(pairs(400, "preamble")):
        counter.add(pair, [], Outcome(reason="one_order" if number % 4 else "kept"))
    funnel = counter.funnel()
    assert funnel.blind_guesses == 100 - WARM_UP
    assert funnel.metrics()["blind_accuracy"] > 0.9


def test_of_the_undecided_judgements_the_most_frequent_reason_is_quoted() -> None:
    counter = FunnelCounter()
    for number, why in enumerate(("two_verdicts", "empty", "empty")):
        of = caption_pair(number)
        answers = [
            msgspec.structs.replace(each, verdict=undecided(why))
            for each in both(of, Choice.UNDECIDED, Choice.UNDECIDED)
        ]
        counter.add(of, answers, Outcome(reason="undecided"))
    assert counter.funnel().first_details["undecided"].startswith("empty in ")


@pytest.mark.parametrize(
    ("right", "guesses", "warns"),
    [(59, 100, False), (62, 100, True), (540, 1000, True), (520, 1000, False), (400, 1000, False),
     (MIN_PAIRS - 1, MIN_PAIRS - 1, False), (0, 0, False)],
)  # fmt: skip
def test_the_warning_needs_the_whole_interval_above_chance(
    right: int, guesses: int, warns: bool
) -> None:
    found = explain_giveaway(guesses, right)
    assert (found is not None) is warns


def test_its_memory_does_not_grow_with_the_pairs() -> None:
    def size(judge: BlindJudge) -> int:
        return sum(sys.getsizeof(value) for value in vars(judge).values())

    assert size(judged(pairs(2000))) <= size(judged(pairs(60))) + 4096
