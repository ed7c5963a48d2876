"""Judges one pair of answers whose better one nobody knows: for people who need a verdict."""

from __future__ import annotations

import msgspec

from judgeloop.engines.base import Engine, Sampling
from judgeloop.errors import EngineError
from judgeloop.judging.orders import judge_request
from judgeloop.judging.verdict import parse_verdict, undecided
from judgeloop.prompts import PromptSet
from judgeloop.records import Choice, Question, Verdict


class OrderedVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """One order's judgement; `verdict` names the answers as the caller does, whatever was shown."""

    shown_first: str
    """`a` or `b`: the caller's answer that the judge saw as answer A."""
    text: str
    """The judge's reasoning. It speaks of A and B as shown in this order."""
    verdict: Verdict


class PairVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict over both orders: a side only where both orders choose it."""

    verdict: Verdict
    orders: tuple[OrderedVerdict, ...]
    """Answer a shown first, then answer b shown first."""


def judge_answers(
    engine: Engine, prompts: PromptSet, question: Question, a: str, b: str, sampling: Sampling
) -> PairVerdict:
    """Judges answers a and b in both orders.

    Args:
        engine: The judge.
        prompts: Its prompt set.
        question: The question with its images.
        a: One answer.
        b: The other.
        sampling: Temperature 0 gives the judge's most likely judgement.

    Raises:
        EngineError: The engine cannot answer.
    """
    requests = [
        judge_request(prompts, "a first", question, (a, b), 1, 0),
        judge_request(prompts, "b first", question, (b, a), 1, 0),
    ]
    orders = []
    responses = {response.id: response for response in engine.generate(requests, sampling)}
    for request, first in zip(requests, ("a", "b"), strict=True):
        response = responses[request.id]
        if response.error is not None:
            raise EngineError(f"the judge cannot answer: {response.error}")
        sample = response.samples[0]
        shown = parse_verdict(sample.text, sample.finish_reason, prompts.verdict_format)
        verdict = shown if first == "a" else _swapped(shown)
        orders.append(OrderedVerdict(shown_first=first, text=sample.text, verdict=verdict))
    return PairVerdict(verdict=_agreed(orders[0].verdict, orders[1].verdict), orders=tuple(orders))


def _swapped(verdict: Verdict) -> Verdict:
    other = {Choice.A: Choice.B, Choice.B: Choice.A}
    return Verdict(choice=other.get(verdict.choice, verdict.choice), reason=verdict.reason)


def _agreed(one: Verdict, other: Verdict) -> Verdict:
    for verdict in (one, other):
        if verdict.choice is Choice.UNDECIDED:
            return verdict
    return one if one.choice is other.choice else undecided("orders_disagree")
