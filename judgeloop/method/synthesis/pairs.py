"""A question's way to its pair: open ones by alteration, closed ones by vote (paper, stage I)."""

from __future__ import annotations

from judgeloop.method.prompts import PromptSet
from judgeloop.method.steps import Steps
from judgeloop.method.synthesis.alter import (
    alter_request,
    answer_request,
    original_answer,
    pair_by_alteration,
)
from judgeloop.method.synthesis.meaning import compare_request, pair_that_differs
from judgeloop.method.synthesis.vote import pair_by_vote, vote_request
from judgeloop.schema.config import SynthesisSection
from judgeloop.schema.records import Dropped, Pair, Question


def make_pair(
    prompts: PromptSet, question: Question, settings: SynthesisSection, seed: int
) -> Steps[Pair | Dropped]:
    """Makes a pair of a question, or says why there is none.

    Args:
        prompts: Prompt set of the model that answers.
        question: What to ask.
        settings: How answers are sampled, and which are used.
        seed: Of the run; a request's seed is derived from it and the question's id.
    """
    if not question.kind.is_open:
        (voted,) = yield [vote_request(prompts, question, settings, seed)]
        return pair_by_vote(question, voted, settings.vote_threshold, seed)
    (answered,) = yield [answer_request(prompts, question, settings, seed)]
    answer = original_answer(question, answered)
    if isinstance(answer, Dropped):
        return answer
    (altered,) = yield [alter_request(prompts, question, answer, settings, seed)]
    pair = pair_by_alteration(question, answer, altered, settings, seed)
    if isinstance(pair, Dropped) or not settings.check_meaning:
        return pair
    (compared,) = yield [compare_request(prompts, pair, settings, seed)]
    return pair_that_differs(pair, compared)
