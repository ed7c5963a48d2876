"""Where neither row, nor subset, nor wording tell a question's kind, the base's own answers do."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from judgeloop.data.question_kind import find_kind
from judgeloop.method.routing.samples import kind_of_samples
from judgeloop.method.synthesis.pairs import make_pair
from judgeloop.runtime.stages.ingest import ingest
from judgeloop.runtime.stages.synthesize import synthesize
from judgeloop.schema.keys import seed_for
from judgeloop.schema.records import Altered, Kind, Manifest, Pair, Question, Voted
from judgeloop.schema.requests import Response, Sample
from judgeloop.store import FolderStore
from judgeloop.store.shards import ShardWriter, read_records
from tests.unit.test_ingest import configured as ingest_config
from tests.unit.test_ingest import row, write
from tests.unit.test_synthesis_requests import PROMPTS, SETTINGS
from tests.unit.test_synthesize import UNCLEAR, configured, pool

LONG = "The man in the red coat holds a rope while the dog beside him looks at the river."
DOING = Question(
    id="q", images=("one",), text="What is he doing?", kind=Kind.SHORT_PHRASE, kind_unsure=True
)


def samples(*texts: str, finish_reason: str = "stop") -> list[Sample]:
    return [Sample(text=text, finish_reason=finish_reason, tokens=9) for text in texts]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["Yes.", "No, it is not.", "yes"], Kind.YES_NO),
        (["3", "There are three dogs.", "4 dogs"], Kind.NUMBER),
        (["He is riding a horse.", "Riding", "3"], Kind.SHORT_PHRASE),
        (["yes", "3", "a dog"], Kind.SHORT_PHRASE),
        (["a dog", LONG, LONG], Kind.LONG_ANSWER),
        (["a dog", LONG], Kind.LONG_ANSWER),
        (["First\nSecond", LONG, "a dog"], Kind.LONG_ANSWER),
        (["a dog", "a cat", LONG], Kind.SHORT_PHRASE),
        ([f"<think>{LONG}</think>A dog"], Kind.SHORT_PHRASE),
        (["I cannot tell.", "", "7"], Kind.NUMBER),
        (["I cannot tell.", " "], None),
        ([], None),
    ],
)  # fmt: skip
def test_the_form_of_most_answers_is_the_kind(texts: list[str], kind: Kind | None) -> None:
    assert kind_of_samples(samples(*texts)) is kind


def test_an_answer_that_was_cut_off_is_a_long_one() -> None:
    cut = samples("The man is", finish_reason="length")
    assert kind_of_samples([*cut, *samples("riding")]) is Kind.LONG_ANSWER


def test_an_unsure_question_is_asked_bare_first_and_then_as_its_answers_are() -> None:
    settings = msgspec.structs.replace(SETTINGS, route_samples=5)
    steps = make_pair(PROMPTS, DOING, settings, 3)
    (asked,) = next(steps)
    assert (asked.n, asked.seed) == (5, seed_for("route", 3, "q"))
    assert "Answer:" not in asked.text
    (answer,) = steps.send([Response(id="q", samples=tuple(samples(LONG, LONG, "a dog")))])
    bare = msgspec.structs.replace(DOING, kind=Kind.LONG_ANSWER)
    assert (answer.n, answer.variables["kind"]) == (1, "long_answer")
    assert answer.text == PROMPTS.answer(bare)
    counted = make_pair(PROMPTS, DOING, settings, 3)
    next(counted)
    (voted,) = counted.send([Response(id="q", samples=tuple(samples("2", "3", "2")))])
    assert (voted.n, voted.variables["kind"]) == (9, "number")


def test_the_prompt_of_a_question_that_is_asked_bare_is_that_of_a_long_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(type(PROMPTS), "answer", lambda _, question: f"as {question.kind}")
    settings = msgspec.structs.replace(SETTINGS, route_samples=5)
    (asked,) = next(make_pair(PROMPTS, DOING, settings, 3))
    assert asked.text == "as long_answer"


def test_answers_that_show_nothing_leave_the_kind_of_the_wording() -> None:
    steps = make_pair(PROMPTS, DOING, msgspec.structs.replace(SETTINGS, route_samples=2), 3)
    next(steps)
    (voted,) = steps.send([Response(id="q", error="it is down")])
    assert voted.variables["kind"] == "short_phrase"


@pytest.mark.parametrize(
    ("question", "number"),
    [(DOING, 0), (msgspec.structs.replace(DOING, kind_unsure=msgspec.UNSET), 5)],
    ids=["not asked for", "sure"],
)
def test_a_sure_kind_costs_no_answer(question: Question, number: int) -> None:
    settings = msgspec.structs.replace(SETTINGS, route_samples=number)
    (asked,) = next(make_pair(PROMPTS, question, settings, 3))
    assert asked.n == SETTINGS.vote_samples


def test_the_loop_votes_on_what_the_base_answers_shortly(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    (one,) = read_records(store, pool(store, "p001", 1, 1), Question)
    unsure = msgspec.structs.replace(one, kind=Kind.LONG_ANSWER, kind_unsure=True)
    writer = ShardWriter(store, "ingest/k/p000", "p000", 40)
    for number in range(40):
        writer.add(msgspec.structs.replace(unsure, id=f"u{number}", text=f"What {number}?"))
    shards = tuple(writer.close())
    questions = Manifest(stage="ingest", stage_version=1, key="k", shards=shards)
    made = {}
    for number in (0, 3):
        config = configured(f"synthesis.route_samples={number}")
        manifest = synthesize(config, store, 1, 0, questions, UNCLEAR)
        made[number] = list(read_records(store, manifest, Pair))
    assert made[3]
    assert all(isinstance(pair.origin, Voted) for pair in made[3])
    assert all(isinstance(pair.origin, Altered) for pair in made[0])
    assert {pair.question.kind_unsure for pair in made[3]} == {msgspec.UNSET}
    assert {pair.question.kind_unsure for pair in made[0]} == {True}


@pytest.mark.parametrize(
    ("stated", "source", "text", "kind", "unsure"),
    [
        (Kind.CAPTION, "counts", "What is he doing?", Kind.CAPTION, False),
        (None, "counts", "What is he doing?", Kind.NUMBER, False),
        (None, "counts", "Describe the image.", Kind.NUMBER, False),
        (None, "other", "Describe the image.", Kind.CAPTION, False),
        (None, "other", "What is he doing?", Kind.SHORT_PHRASE, True),
        (None, "", "Tell me something interesting", Kind.LONG_ANSWER, True),
    ],
)
def test_the_row_comes_first_then_its_subset_then_the_wording(
    stated: Kind | None, source: str, text: str, kind: Kind, unsure: bool
) -> None:
    found = find_kind(text, stated, source, {"counts": Kind.NUMBER})
    assert (found.kind, found.unsure) == (kind, unsure)


def test_subsets_of_the_configuration_give_their_questions_a_kind(tmp_path: Path) -> None:
    lines = [row(1), row(2), row(3)]
    for line, source in zip(lines, ("counts", "ai2d", ""), strict=True):
        line.pop("kind", None)
        line |= {"source": source, "text": "What is it? (A) a cat (B) a dog"}
    lines[0]["text"] = lines[2]["text"] = "What is it?"
    kinds = {"counts": Kind.NUMBER, "ai2d": Kind.MULTIPLE_CHOICE}
    config = ingest_config(write(tmp_path, lines), kinds=kinds)
    store = FolderStore(tmp_path / "store")
    found = list(read_records(store, ingest(config, store), Question))  # type: ignore[arg-type]
    by_source = {question.source: question for question in found}
    assert by_source["counts"].kind is Kind.NUMBER
    assert by_source["ai2d"].choices == ("a cat", "a dog")
    assert by_source[""].kind_unsure is True
    assert "kind_unsure" not in json.loads(msgspec.json.encode(by_source["counts"]))
