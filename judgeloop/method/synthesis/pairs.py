"""Makes a pair of a question: open ones by alteration, closed ones by vote (paper, stage I)."""

from __future__ import annotations

import msgspec

from judgeloop.method.prompts import PromptSet
from judgeloop.method.routing.samples import kind_of_samples
from judgeloop.method.steps import Steps
from judgeloop.method.synthesis.alter import (
    alter_request,
    original_answer,
    pair_by_alteration,
)
from judgeloop.method.synthesis.errors import draw_error
from judgeloop.method.synthesis.meaning import compare_request, pair_that_differs
from judgeloop.method.synthesis.vote import pair_by_vote
from judgeloop.schema.keys import seed_for
from judgeloop.schema.method_sections import SynthesisSection
from judgeloop.schema.records import Dropped, Kind, Pair, Question
from judgeloop.schema.requests import Request, Response
from judgeloop.schema.sampling import Sampling


def answer_request(
    prompts: PromptSet, question: Question, sampling: Sampling, seed: int, samples: int = 1
) -> Request:
    """Returns the request that asks the base to answer a question.

    Args:
        prompts: Prompt set of the base.
        question: The question.
        sampling: Sampling of the answers.
        seed: Seed of the request.
        samples: Number of answers.
    """
    return Request(
        id=question.id,
        text=prompts.answer(question),
        images=question.images,
        purpose="answer",
        variables={
            "question": question.text,
            "kind": question.kind,
            "choices": "\n".join(question.choices or ()),
        },
        sampling=sampling,
        seed=seed,
        n=samples,
    )


VOTE = "vote"
ANSWER = "answer"
"""What was tried where it did not come to an error."""


def make_pair(
    prompts: PromptSet, question: Question, settings: SynthesisSection, seed: int
) -> Steps[Pair | Dropped]:
    """Makes a pair of a question, or says why there is none.

    With `route_samples`, a question of which only the wording says the kind, and says it unclearly,
    gets the kind of the model's own answers to it.

    Args:
        prompts: Prompt set of the model that answers.
        question: What to ask.
        settings: How answers are sampled, and which are used.
        seed: Of the run; a request's seed is derived from it and the question's id.

    Returns:
        The pair, or why there is none, with what was tried: `VOTE`, `ANSWER` or a kind of error.
    """
    if settings.route_samples and question.kind_unsure is True:
        (shown,) = yield [_route_request(prompts, question, settings, seed)]
        question = _routed(question, shown)
    if not question.kind.is_open:
        vote_seed = seed_for("vote", seed, question.id)
        (voted,) = yield [
            answer_request(prompts, question, settings.vote, vote_seed, settings.vote_samples)
        ]
        return _tried(pair_by_vote(question, voted, settings, seed), question, VOTE)
    answer_seed = seed_for("answer", seed, question.id)
    (answered,) = yield [answer_request(prompts, question, settings.answer, answer_seed)]
    answer = original_answer(question, answered)
    if isinstance(answer, Dropped):
        return _tried(answer, question, ANSWER)
    error = draw_error(prompts.error_kinds, question, answer, settings.errors, seed)
    if error is None:
        offered = Dropped(id=question.id, reason="no_kind_of_error", detail=answer[:200])
        return _tried(offered, question, ANSWER)
    (altered,) = yield [alter_request(prompts, question, answer, error, settings, seed)]
    pair = pair_by_alteration(question, answer, error, altered, settings, prompts.error_kinds)
    if isinstance(pair, Dropped) or not settings.check_meaning:
        return _tried(pair, question, error)
    (compared,) = yield [compare_request(prompts, pair, settings, seed)]
    return _tried(pair_that_differs(pair, compared), question, error)


def _route_request(
    prompts: PromptSet, question: Question, settings: SynthesisSection, seed: int
) -> Request:
    """Asks the question as an open one, so that the prompt prescribes no form of the answer."""
    bare = msgspec.structs.replace(question, kind=Kind.LONG_ANSWER)
    route_seed = seed_for("route", seed, question.id)
    asked = answer_request(prompts, question, settings.answer, route_seed, settings.route_samples)
    return msgspec.structs.replace(asked, text=prompts.answer(bare))


def _routed(question: Question, shown: Response) -> Question:
    """Returns the question with the kind that the answers show; as it was where they show none."""
    kind = kind_of_samples(shown.samples)
    if kind is None:
        return question
    return msgspec.structs.replace(question, kind=kind, kind_unsure=msgspec.UNSET)


def tried_for(question: Question, what: str) -> str:
    """Names what was tried for a question: its kind, and an error, `VOTE` or `ANSWER`."""
    return f"{question.kind}: {what}"


def _tried(made: Pair | Dropped, question: Question, what: str) -> Pair | Dropped:
    if isinstance(made, Dropped):
        return msgspec.structs.replace(made, tried=tried_for(question, what))
    return made
