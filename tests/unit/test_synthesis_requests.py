"""What synthesis asks: each request whole, and what is drawn by seed."""

from collections.abc import Callable
from typing import Literal

import msgspec
import pytest

from judgeloop.method.synthesis.alter import alter_request
from judgeloop.method.synthesis.answers import MAX_ANSWER
from judgeloop.method.synthesis.meaning import compare_request
from judgeloop.method.synthesis.pairs import make_pair
from judgeloop.prompt_sets import load_prompts
from judgeloop.schema.keys import content_key, fraction, seed_for
from judgeloop.schema.method_sections import SynthesisSection
from judgeloop.schema.records import Altered, Dropped, Kind, Pair, Question, Voted
from judgeloop.schema.requests import Request, Response, Sample
from judgeloop.schema.sampling import Sampling

PROMPTS = load_prompts("default")
SETTINGS = SynthesisSection(
    answer=Sampling(temperature=0.1),
    alter=Sampling(temperature=0.2, max_tokens=7),
    vote=Sampling(temperature=0.3),
    errors=("colour", "count"),
    alter_tries=3,
    vote_samples=9,
)
OPEN = Question(id="q", images=("one", "two"), text="Describe both.", kind=Kind.CAPTION)
CLOSED = Question(
    id="q", images=("one",), text="Which?", kind=Kind.MULTIPLE_CHOICE, choices=("a cat", "a dog")
)
UNSURE = msgspec.structs.replace(OPEN, kind=Kind.SHORT_PHRASE, kind_unsure=True)
PAIR = Pair(
    id="p", question=OPEN, chosen="A red cat.", rejected="A blue cat.",
    origin=Altered(error="colour", place="red -> blue"),
)  # fmt: skip
SEED = 5
ERROR = "attribute"


def first_request(question: Question, settings: SynthesisSection = SETTINGS) -> Request:
    """What `make_pair` asks of a question first."""
    (request,) = next(make_pair(PROMPTS, question, settings, SEED))
    return request


def result(
    question: Question, *said: Response, settings: SynthesisSection = SETTINGS, seed: int = SEED
) -> tuple[list[Request], Pair | Dropped]:
    """What `make_pair` asks, and what it makes of these responses."""
    steps = make_pair(PROMPTS, question, settings, seed)
    asked = [*next(steps)]
    for response in said[:-1]:
        asked += steps.send([response])
    with pytest.raises(StopIteration) as end:
        steps.send([said[-1]])
    return asked, end.value.value


def saying(*texts: str, finish_reason: Literal["stop", "length"] = "stop") -> Response:
    samples = [Sample(text=text, finish_reason=finish_reason, tokens=9) for text in texts]
    return Response(id="q", samples=tuple(samples))


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (
            lambda: first_request(OPEN),
            Request(
                id="q", text=PROMPTS.answer(OPEN), images=("one", "two"), purpose="answer",
                variables={"question": "Describe both.", "kind": "caption", "choices": ""},
                sampling=SETTINGS.answer, seed=seed_for("answer", SEED, "q"),
            ),
        ),
        (
            lambda: first_request(CLOSED),
            Request(
                id="q", text=PROMPTS.answer(CLOSED), images=("one",), purpose="answer",
                variables={
                    "question": "Which?", "kind": "multiple_choice", "choices": "a cat\na dog",
                },
                sampling=SETTINGS.vote, seed=seed_for("vote", SEED, "q"), n=9,
            ),
        ),
        (
            lambda: first_request(UNSURE, msgspec.structs.replace(SETTINGS, route_samples=4)),
            Request(
                id="q", images=("one", "two"), purpose="answer",
                text=PROMPTS.answer(msgspec.structs.replace(UNSURE, kind=Kind.LONG_ANSWER)),
                variables={"question": "Describe both.", "kind": "short_phrase", "choices": ""},
                sampling=SETTINGS.answer, seed=seed_for("route", SEED, "q"), n=4,
            ),
        ),
        (
            lambda: alter_request(PROMPTS, OPEN, "A red cat.", ERROR, SETTINGS, SEED),
            Request(
                id="q", images=("one", "two"), purpose="alter",
                text=PROMPTS.alter(OPEN, "A red cat.", ERROR, fraction("alter wording", SEED, "q")),
                variables={"question": "Describe both.", "answer": "A red cat.", "error": ERROR},
                sampling=SETTINGS.alter, seed=seed_for("alter", SEED, "q"), n=3,
            ),
        ),
        (
            lambda: compare_request(PROMPTS, PAIR, SETTINGS, SEED),
            Request(
                id="q", images=("one", "two"), purpose="compare",
                text=PROMPTS.compare(OPEN, "A red cat.", "A blue cat."),
                variables={
                    "question": "Describe both.", "original": "A red cat.", "copy": "A blue cat.",
                },
                sampling=Sampling(temperature=0.0, max_tokens=7),
                seed=seed_for("compare", SEED, "q"),
            ),
        ),
    ],
    ids=["answer", "vote", "route", "alter", "compare"],
)  # fmt: skip
def test_a_request_holds_its_questions_images_settings_and_seed(
    make: Callable[[], Request], expected: Request
) -> None:
    assert make() == expected


VOTES = ("It is 3", "I count 3", "3", "There are 3", "so 3", "4", "I see 4", "It is 4")


@pytest.mark.parametrize(
    ("seed", "chosen", "rejected"),
    [(0, "3", "It is 4"), (1, "so 3", "It is 4"), (2, "3", "I see 4"), (4, "It is 3", "4")],
)
def test_which_votes_stand_for_their_side_is_drawn_by_seed_and_the_same_in_every_release(
    seed: int, chosen: str, rejected: str
) -> None:
    question = Question(id="q", images=("one",), text="How many?", kind=Kind.NUMBER)
    assert result(question, saying(*VOTES), seed=seed)[1] == Pair(
        id=content_key("vote", "q", chosen, rejected), question=question, chosen=chosen,
        rejected=rejected, origin=Voted(counts={"3": 5, "4": 3}),
    )  # fmt: skip


FAILED = Response(id="q", error="no image")
RED = saying("A red cat.")
SAID = "".join(chr(ord("a") + number % 26) for number in range(300))
"""So long that only a part of it is shown."""


@pytest.mark.parametrize(
    ("question", "said", "expected"),
    [
        (CLOSED, [FAILED], ("engine_error", "no image", "multiple_choice: vote")),
        (CLOSED, [saying("A", "B")], ("below_threshold", "A: 1, B: 1", "multiple_choice: vote")),
        (OPEN, [FAILED], ("engine_error", "no image", "caption: answer")),
        (
            OPEN,
            [saying(SAID, finish_reason="length")],
            ("answer_truncated", SAID[-80:], "caption: answer"),
        ),
        (
            OPEN,
            [saying("a" * (MAX_ANSWER + 1))],
            ("answer_too_long", "20001 characters, the limit is 20000", "caption: answer"),
        ),
        (
            OPEN,
            [saying(f"<think>{SAID}")],
            ("unfinished_thinking", SAID[-80:], "caption: answer"),
        ),
        (OPEN, [saying("<think>Hm.</think>")], ("answer_empty", "", "caption: answer")),
        (OPEN, [saying(SAID)], ("no_kind_of_error", SAID[:200], "caption: answer")),
        (OPEN, [RED, FAILED], ("engine_error", "no image", "caption: attribute")),
        (
            OPEN,
            [RED, saying(SAID, "A red cat.")],
            ("length", SAID[:200], "caption: attribute"),
        ),
        (
            OPEN,
            [RED, saying("A blue cat."), FAILED],
            ("engine_error", "no image", "caption: attribute"),
        ),
        (
            OPEN,
            [RED, saying("A blue cat."), saying(f"{SAID}\nAnswer: no")],
            ("same_meaning", f"{SAID}\nAnswer: no"[-200:], "caption: attribute"),
        ),
    ],
)
def test_a_question_without_a_pair_says_why_and_what_was_tried(
    question: Question, said: list[Response], expected: tuple[str, str, str]
) -> None:
    settings = msgspec.structs.replace(SETTINGS, errors=("attribute",), check_meaning=True)
    reason, detail, tried = expected
    made = Dropped(id="q", reason=reason, detail=detail, tried=tried)
    assert result(question, *said, settings=settings)[1] == made


def test_an_answer_of_the_longest_length_is_used() -> None:
    longest = f"{'a' * (MAX_ANSWER - 9)} red cat."
    blue = saying(longest.replace(" red cat", " blu cat"))
    made = result(OPEN, saying(longest), blue)[1]
    assert isinstance(made, Pair)
    assert made.chosen == longest


def test_each_step_asks_with_what_the_steps_before_it_gave() -> None:
    settings = msgspec.structs.replace(SETTINGS, errors=("attribute",), check_meaning=True)
    said = (RED, saying("A blue cat.", "A red cat.", "A green cat."), saying("Answer: yes"))
    asked, made = result(OPEN, *said, settings=settings)
    assert made == Pair(
        id=content_key("alter", "q", "A red cat.", "A blue cat."), question=OPEN,
        chosen="A red cat.", rejected="A blue cat.",
        origin=Altered(error="attribute", place="red -> blue"),
    )  # fmt: skip
    assert asked == [
        first_request(OPEN),
        alter_request(PROMPTS, OPEN, "A red cat.", "attribute", settings, SEED),
        compare_request(PROMPTS, made, settings, SEED),
    ]


def test_which_error_is_planted_is_drawn_by_seed_and_the_same_in_every_release() -> None:
    settings = msgspec.structs.replace(SETTINGS, errors=tuple("abcdef"))
    drawn = [
        result(OPEN, RED, FAILED, settings=settings, seed=seed)[0][1].variables["error"]
        for seed in range(8)
    ]
    assert "".join(drawn) == "efdbcaca"


@pytest.mark.parametrize(("seed", "name"), [(seed, name) for seed in range(4) for name in "qrs"])
def test_the_wording_of_an_alteration_is_drawn_by_seed_and_question(seed: int, name: str) -> None:
    question = msgspec.structs.replace(OPEN, id=name)
    drawn = fraction("alter wording", seed, name)
    asked = alter_request(PROMPTS, question, "A red cat.", ERROR, SETTINGS, seed)
    assert asked.text == PROMPTS.alter(question, "A red cat.", ERROR, drawn)
