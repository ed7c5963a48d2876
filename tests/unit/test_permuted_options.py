"""A question's options in another order: what is asked, and what filtering makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import msgspec
import pytest

from judgeloop.method.judging.permuted_options import with_permuted_options
from judgeloop.prompt_sets import load_prompts
from judgeloop.runtime.stages.filter import filter_judgements
from judgeloop.runtime.stages.judge import judge
from judgeloop.schema.config import Config, load_config
from judgeloop.schema.records import Example, Judgement, Kind, Manifest, Pair, Voted
from judgeloop.schema.requests import Request, Response, Usage
from judgeloop.schema.results import Funnel
from judgeloop.store import FolderStore
from judgeloop.store.shards import Work, finish, read_records, write_shards
from tests.unit.test_filter import pair
from tests.unit.test_starved import BASE, MICRO, Canned

ENGINE = "judgeloop.runtime.stages.inference.lazy_engine"
COLOURS = ("red", "blue", "green")


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Canned:
    made = Canned(by_first_option)
    monkeypatch.setattr(ENGINE, lambda *_: nullcontext(made))
    return made


def choice(
    number: int, text: str, choices: tuple[str, ...] | None, chosen: str, rejected: str
) -> Pair:
    of = pair(number)
    asked = msgspec.structs.replace(
        of.question, text=text, kind=Kind.MULTIPLE_CHOICE, choices=choices
    )
    origin = Voted(counts={chosen: 9, rejected: 7})
    return msgspec.structs.replace(
        of, question=asked, chosen=chosen, rejected=rejected, origin=origin
    )


def asked_again(text: str, choices: tuple[str, ...] | None, answers: str = "(B)/(A)") -> set[str]:
    """The texts of the question under many seeds."""
    of = choice(1, text, choices, *answers.split("/"))
    found = [with_permuted_options(of, seed) for seed in range(40)]
    return {each.question.text for each in found if each is not None}


def test_options_move_with_their_letters_and_the_rest_of_the_question_stays() -> None:
    text = "Which colour?\n(A) red\n(B) blue\n(C) green\nAnswer with the option's letter."
    found = asked_again(text, COLOURS)
    assert len(found) == 5  # every other order of three
    for each in found:
        assert each != text
        lines = each.splitlines()
        assert sorted(lines[1:4]) == ["(A) red", "(B) blue", "(C) green"]
        assert (lines[0], lines[4]) == ("Which colour?", "Answer with the option's letter.")


@pytest.mark.parametrize("text", [
    "Which colour? A. red, B. blue, C. green", "Which? A) red B) blue C) green\n",
])  # fmt: skip
def test_what_stands_between_options_stays_in_its_place(text: str) -> None:
    for each in asked_again(text, COLOURS):
        assert sorted(each) == sorted(text)
        for letter, colour in zip("ABC", COLOURS, strict=True):
            at = each.index(f"{letter}{text[text.index('A') + 1]} {colour}")
            assert at >= 0


def test_options_that_the_text_does_not_list_follow_it_with_their_letters() -> None:
    found = asked_again("Which colour is it?", COLOURS)
    assert "Which colour is it?\n(B) blue\n(A) red\n(C) green" in found
    asked = next(iter(found))
    of = choice(1, asked, COLOURS, "(B)", "(A)")
    shown = load_prompts("default").judge(of.question, "(B)", "(A)")
    assert shown.count("(A) red") == 1  # they are not listed a second time


def test_options_without_letters_change_places_where_the_answers_name_them_by_words() -> None:
    tiny = "colour of north: a red b blue c green"
    assert "colour of north: a blue b red c green" in asked_again(tiny, COLOURS, "red/blue")
    assert asked_again(tiny, COLOURS, "b/a") == set()  # a letter would mean another option
    assert asked_again("Is the red one red, blue or green?", COLOURS, "red/blue") == set()


def test_an_option_that_points_at_the_others_keeps_its_place() -> None:
    choices = ("red", "blue", "none of the above")
    text = "Which? (A) red (B) blue (C) none of the above"
    assert asked_again(text, choices) == {"Which? (B) blue (A) red (C) none of the above"}


LETTERED = ("(A) red", "(B) blue", "(C) green", "(D) grey")
BARE = (*COLOURS, "grey")


@pytest.mark.parametrize(("text", "answers", "shown", "options"), [
    ("Which? (A) red (B) blue (C) green (D) grey", "(B)/(A)", "Which? {} {} {} {}", LETTERED),
    ("Which colour?", "(B)/(A)", "Which colour?\n{}\n{}\n{}\n{}", LETTERED),
    ("Is it red, blue, green or grey?", "red/blue", "Is it {}, {}, {} or {}?", BARE),
])  # fmt: skip
@pytest.mark.parametrize(("number", "seed", "order"), [
    (1, 0, (2, 0, 3, 1)), (1, 1, (1, 0, 2, 3)), (4, 0, (3, 0, 2, 1)),
])  # fmt: skip
def test_the_order_is_drawn_by_pair_and_seed_as_in_earlier_releases(
    text: str, answers: str, shown: str, options: Sequence[str],
    number: int, seed: int, order: Sequence[int],
) -> None:  # fmt: skip
    of = choice(number, text, BARE, *answers.split("/"))
    moved = shown.format(*(options[at] for at in order))
    question = msgspec.structs.replace(of.question, text=moved)
    assert with_permuted_options(of, seed) == msgspec.structs.replace(of, question=question)


@pytest.mark.parametrize(("text", "choices", "answers", "expected"), [
    ("Which of <1><2>?", ("<1>", "<2>"), "<1>/<2>", {"Which of <2><1>?"}),
    ("Is it Red or BLUE?", ("Red", "blue"), "red/Blue", {"Is it BLUE or Red?"}),
    ("Is it blue or red?", ("red", "blue"), "red/blue", set()),  # in another order
    ("Is it red cat food?", ("red cat", "cat food"), "red cat/cat food", set()),  # they overlap
    ("Is it red or blue?", ("red", "blue"), "red and blue/blue", set()),  # names both
    ("Which?", ("red\nor pink", "blue"), "red/blue", set()),
    ("Which?", ("red", "none of the above"), "red/none of the above", set()),
])  # fmt: skip
def test_options_are_exchanged_only_where_each_stands_once_and_in_order(
    text: str, choices: tuple[str, ...], answers: str, expected: set[str]
) -> None:
    assert asked_again(text, choices, answers) == expected


@pytest.mark.parametrize(("text", "choices"), [
    ("Which? (A) red (B) blue", COLOURS), ("Which?", None), ("Which?", ("red",)),
])  # fmt: skip
def test_a_question_whose_options_are_unsure_is_not_asked_again(
    text: str, choices: tuple[str, ...] | None
) -> None:
    assert asked_again(text, choices) == set()


def test_an_open_question_is_not_asked_again() -> None:
    of = choice(1, "Which? (A) red (B) blue", ("red", "blue"), "(A)", "(B)")
    described = msgspec.structs.replace(of.question, kind=Kind.CAPTION)
    assert with_permuted_options(msgspec.structs.replace(of, question=described), 0) is None


def by_first_option(request: Request) -> str:
    """A judge that is right of even pairs; of odd ones it prefers what is listed first."""
    answers = request.variables["answer_a"], request.variables["answer_b"]
    listed = request.variables["question"].partition(": ")[2]
    even = "even" in request.variables["question"]
    better = "red" if even or "?" in listed or not listed else listed.split(" ")[0]
    return f"I see {better} {'AB'[answers.index(better)]}"


def run(config: Config, store: FolderStore, pairs: list[Pair]) -> tuple[Manifest, Manifest]:
    header = Manifest(stage="synthesize", stage_version=1, key="k", partition=0)
    made = finish(store, write_shards(store, header, [pairs], lambda batch: Work(list(batch))))
    judged = judge(config, store, 1, 0, made, BASE)
    return judged, filter_judgements(config, store, [made], [judged])


def test_a_judgement_is_kept_only_where_the_verdict_is_the_same(
    engine: Canned,
    tmp_path: Path,
) -> None:
    pairs = [
        choice(at, f"{'odd' if at % 2 else 'even'} colour: red blue", ("red", "blue"),
               "red", "blue")
        for at in range(6)
    ]  # fmt: skip
    pairs += [msgspec.structs.replace(pair(at), chosen="red", rejected="blue")
              for at in range(6, 8)]  # fmt: skip
    store = FolderStore(tmp_path)
    judged, kept = run(load_config(MICRO, ["filtering.permuted_options=true"]), store, pairs)
    assert len(engine.asked) == 2 * 8 + 2 * 6
    assert judged.rows == 2 * 8
    assert judged.tokens["completion"] == len(engine.asked)
    funnel = kept.expect(Funnel)
    assert (funnel.kept, funnel.further, funnel.permuted) == (5, {"permuted_options": 3}, 6)
    assert funnel.kinds["multiple_choice"].lost == {"permuted_options": 3}
    names = {example.id.split("/")[0] for example in read_records(store, kept, Example)}
    assert names == {"pair0", "pair2", "pair4", "pair6", "pair7"}
    shown = {example.prompt for example in read_records(store, kept, Example)}
    assert all("blue red" not in prompt for prompt in shown)  # trained on as it was asked first


def unread_again(request: Request) -> str:
    """A judge that is right, but has no verdict where the options stand in another order."""
    if "blue red" in request.variables["question"]:
        return "I see red"
    return f"I see red {'A' if request.variables['answer_a'] == 'red' else 'B'}"


class Local(Canned):
    """An engine that counts no tokens by itself, as those on this machine."""

    def poll(self) -> list[tuple[int, Response]]:
        return [
            (at, msgspec.structs.replace(response, usage=Usage()))
            for at, response in super().poll()
        ]


def test_no_verdict_the_second_time_is_not_the_same_and_its_tokens_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = Local(unread_again)
    monkeypatch.setattr(ENGINE, lambda *_: nullcontext(made))
    pairs = [choice(at, "colour: red blue", ("red", "blue"), "red", "blue") for at in range(3)]
    config = load_config(MICRO, ["filtering.permuted_options=true"])
    judged, kept = run(config, FolderStore(tmp_path), pairs)
    assert judged.tokens["completion"] == len(made.asked) == 12
    funnel = kept.expect(Funnel)
    assert (funnel.kept, funnel.further) == (0, {"permuted_options": 3})
    assert set(funnel.errors) == {"vote"}  # a pair by vote has no planted error


def test_nothing_is_asked_again_by_default(engine: Canned, tmp_path: Path) -> None:
    pairs = [choice(1, "odd colour: red blue", ("red", "blue"), "red", "blue")]
    store = FolderStore(tmp_path)
    judged, kept = run(load_config(MICRO), store, pairs)
    assert len(engine.asked) == 2
    assert kept.expect(Funnel).kept == 1
    assert all(one.permuted is None for one in read_records(store, judged, Judgement))
    assert b"permuted" not in store.read(judged.shards[0].key)  # the bytes are as they were
