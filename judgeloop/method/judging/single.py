"""Judges one pair of answers whose better one nobody knows: for people who need a verdict.

What `PairVerdict` holds is what `judgeloop verdict --json` prints; others read it, so its fields
stay and new ones only come in where they are asked for.
"""

from __future__ import annotations

import msgspec

from judgeloop.method.judging.orders import judge_request
from judgeloop.method.judging.verdict import undecided
from judgeloop.method.prompts import PromptSet
from judgeloop.method.steps import Steps
from judgeloop.schema.errors import EngineError
from judgeloop.schema.records import Choice, Question, Verdict
from judgeloop.schema.requests import Response
from judgeloop.schema.sampling import Sampling

_BASE = "base "
"""Before the ids of requests to the base."""


class OrderedVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """One order's judgement; `verdict` names the answers as the caller does, whatever was shown."""

    shown_first: str
    """`a` or `b`: the caller's answer that the judge saw as answer A."""
    text: str
    """The judge's reasoning. It speaks of A and B as shown in this order."""
    verdict: Verdict


class PairVerdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The verdict over both orders: a side only where both orders choose it."""

    verdict: Verdict
    orders: tuple[OrderedVerdict, ...]
    """Answer a shown first, then answer b shown first."""
    base: PairVerdict | None = None
    """What the judge's base, without its adapter, says of the same; absent unless it was asked."""


def judge_answers(
    prompts: PromptSet,
    question: Question,
    a: str,
    b: str,
    sampling: Sampling,
    beside_base: bool = False,
) -> Steps[PairVerdict]:
    """Judges answers a and b in both orders.

    Args:
        prompts: The judge's prompt set.
        question: The question with its images.
        a: One answer.
        b: The other.
        sampling: Temperature 0 gives the judge's most likely judgement.
        beside_base: Ask the judge's base as well, the same and at the same time.

    Raises:
        EngineError: The engine cannot answer.
    """
    requests = [
        judge_request(prompts, "a", question, (a, b), sampling, 1, 0),
        judge_request(prompts, "b", question, (b, a), sampling, 1, 0),
    ]
    if beside_base:
        requests += [
            msgspec.structs.replace(request, id=_BASE + request.id, to_base=True)
            for request in requests
        ]
    answered = yield requests
    responses = {response.id: response for response in answered}
    judged = _over_orders("the judge", responses, "", prompts)
    if not beside_base:
        return judged
    base = _over_orders("the judge's base", responses, _BASE, prompts)
    return msgspec.structs.replace(judged, base=base)


def _over_orders(
    who: str, responses: dict[str, Response], prefix: str, prompts: PromptSet
) -> PairVerdict:
    orders = []
    for first in ("a", "b"):
        response = responses[prefix + first]
        if response.error is not None:
            raise EngineError(f"{who} cannot answer: {response.error}")
        sample = response.samples[0]
        shown = prompts.read_verdict(sample.text, sample.finish_reason)
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
