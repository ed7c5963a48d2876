"""Judges a pair in both orders, all samples of both asked together."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from judgeloop.method.judging.verdict import undecided
from judgeloop.method.prompts.base import JudgePrompts
from judgeloop.method.steps import Steps
from judgeloop.schema.keys import seed_for
from judgeloop.schema.records import Judgement, Order, Pair, Question
from judgeloop.schema.requests import Request, Response
from judgeloop.schema.sampling import Sampling


def judge_pair(
    prompts: JudgePrompts, pair: Pair, sampling: Sampling, samples: int, seed: int
) -> Steps[list[Judgement]]:
    """Judges a pair `samples` times in each order, all of them asked together.

    Args:
        prompts: Prompt set of the judge.
        pair: What to judge.
        sampling: Of the judgement's text.
        samples: Judgements per order.
        seed: Of the run; a request's seed is derived from it and the pair's id and order.

    Returns:
        2 x `samples` judgements: by order, then sample. A pair that the engine cannot answer has
        judgements without text, UNDECIDED with the reason `engine_error`.
    """
    return (
        yield from judge_texts(
            prompts,
            pair,
            pair.id,
            lambda order: shown_answers(pair, order),
            sampling,
            samples,
            seed,
        )
    )


def judge_texts(
    prompts: JudgePrompts,
    pair: Pair,
    name: str,
    shown: Callable[[Order], tuple[str, str]],
    sampling: Sampling,
    samples: int,
    seed: int,
) -> Steps[list[Judgement]]:
    """Judges as `judge_pair` does, but shows the texts that `shown` returns for each order.

    Args:
        prompts: As for `judge_pair`.
        pair: The pair that the judgements are of.
        name: Begins the ids of the requests.
        shown: Returns the texts shown as answer A and answer B.
        sampling: As for `judge_pair`.
        samples: As for `judge_pair`.
        seed: As for `judge_pair`.
    """
    responses = yield [
        judge_request(
            prompts,
            f"{name}/{order}",
            pair.question,
            shown(order),
            sampling,
            samples,
            seed_for("judge", seed, pair.id, order),
        )
        for order in Order
    ]
    return [
        judgement
        for order, response in zip(Order, responses, strict=True)
        for judgement in read_judgements(response, pair, order, samples, prompts)
    ]


def shown_answers(pair: Pair, order: Order) -> tuple[str, str]:
    """Returns the texts shown as answer A and answer B."""
    if order is Order.CHOSEN_FIRST:
        return pair.chosen, pair.rejected
    return pair.rejected, pair.chosen


def judge_request(
    prompts: JudgePrompts,
    request_id: str,
    question: Question,
    answers: tuple[str, str],
    sampling: Sampling,
    samples: int,
    seed: int,
) -> Request:
    """Makes the request that judges two answers as A and B, in the order given."""
    answer_a, answer_b = answers
    return Request(
        id=request_id,
        text=prompts.judge(question, answer_a, answer_b),
        images=question.images,
        images_last=prompts.images_last,
        purpose="judge",
        variables={
            "question": question.text,
            "answer_a": answer_a,
            "answer_b": answer_b,
        },
        verdict_endings=prompts.verdict_endings,
        sampling=sampling,
        seed=seed,
        n=samples,
    )


def read_judgements(
    response: Response, pair: Pair, order: Order, samples: int, prompts: JudgePrompts
) -> Iterable[Judgement]:
    """Yields the judgements of a pair in one order, one per sample."""
    if response.error is not None:
        for index in range(samples):
            yield Judgement(
                pair_id=pair.id,
                order=order,
                sample=index,
                text=response.error,
                finish_reason="error",
                tokens=0,
                verdict=undecided("engine_error"),
            )
        return
    for index, sample in enumerate(response.samples):
        verdict = prompts.read_verdict(sample.text, sample.finish_reason)
        yield Judgement(
            pair_id=pair.id,
            order=order,
            sample=index,
            text=sample.text,
            verdict=verdict,
            finish_reason=sample.finish_reason,
            tokens=sample.tokens,
        )
