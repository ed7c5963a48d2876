"""What synthesis asks: each request whole, and what is drawn by seed."""

from collections.abc import Callable

import pytest

from judgeloop.method.synthesis.alter import alter_request
from judgeloop.method.synthesis.meaning import compare_request
from judgeloop.method.synthesis.pairs import make_pair
from judgeloop.method.synthesis.vote import pair_by_vote
from judgeloop.prompt_sets import load_prompts
from judgeloop.schema.keys import content_key, fraction, seed_for
from judgeloop.schema.method_sections import SynthesisSection
from judgeloop.schema.records import Altered, Kind, Pair, Question, Voted
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
PAIR = Pair(
    id="p", question=OPEN, chosen="A red cat.", rejected="A blue cat.",
    origin=Altered(error="colour", place="red -> blue"),
)  # fmt: skip
SEED = 5
ERROR = "attribute"


def first_request(question: Question) -> Request:
    """What `make_pair` asks of a question first."""
    (request,) = next(make_pair(PROMPTS, question, SETTINGS, SEED))
    return request


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
    ids=["answer", "vote", "alter", "compare"],
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
    samples = tuple(Sample(text=text, finish_reason="stop", tokens=2) for text in VOTES)
    assert pair_by_vote(question, Response(id="q", samples=samples), SETTINGS, seed) == Pair(
        id=content_key("vote", "q", chosen, rejected), question=question, chosen=chosen,
        rejected=rejected, origin=Voted(counts={"3": 5, "4": 3}),
    )  # fmt: skip
