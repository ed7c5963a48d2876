"""Compares two answers of unknown quality, for people and programs that need a verdict.

The answers are called `a` and `b` everywhere here, whatever the judge was shown. `PairJudgement` is
what `judgeloop verdict --json`, `judgeloop judge` and `judgeloop.Judge` give.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import mode
from typing import Literal

import msgspec

from judgeloop.method.judging.orders import judge_request
from judgeloop.method.prompts import PromptSet
from judgeloop.method.steps import Steps
from judgeloop.schema.errors import EngineError
from judgeloop.schema.keys import seed_for
from judgeloop.schema.records import Choice, JudgeVersion, Question, Record, Verdict
from judgeloop.schema.requests import Response
from judgeloop.schema.sampling import Sampling

Side = Literal["a", "b"]
SIDES: tuple[Side, Side] = ("a", "b")
_BASE = "base "
"""Before the ids of requests to the base."""


class OneJudgement(Record, frozen=True, kw_only=True):
    """One judgement in one order."""

    shown_first: Side
    """The answer that the judge saw first."""
    winner: Side | None
    """None if the text names no answer; `reason` says why."""
    reason: str | None = None
    text: str
    """The judge's reasoning. It names the answers by the labels of its prompt, in this order."""


class PairJudgement(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A judgement over both orders: a side wins only where it wins in both."""

    id: str
    winner: Side | None
    reason: str | None
    """Why there is no winner: `orders_disagree`, `samples_disagree`, or what kept the judgements of
    an order from naming an answer."""
    confidence: float | None
    """Share of all judgements, of both orders, that name the winner; None without one."""
    judgements: tuple[OneJudgement, ...]
    """Those with answer a shown first, then those with answer b shown first."""
    judge: JudgeVersion | None = None
    label: Side | None = None
    """The better answer as the input names it; absent where it names none."""
    base: PairJudgement | None = None
    """What the judge's base, without its adapter, says of the same; absent unless it was asked."""


def compare_answers(
    prompts: PromptSet,
    question: Question,
    a: str,
    b: str,
    sampling: Sampling,
    samples: int = 1,
    beside_base: bool = False,
) -> Steps[PairJudgement]:
    """Judges answers a and b in both orders.

    Args:
        prompts: The judge's prompt set.
        question: The question with its images; its id names the result.
        a: One answer.
        b: The other.
        sampling: Temperature 0 gives the judge's most likely judgement.
        samples: Judgements per order; an order is won by more than half of them.
        beside_base: Ask the judge's base as well, the same and at the same time.

    Raises:
        EngineError: The engine cannot answer.
    """
    shown = {"a": (a, b), "b": (b, a)}
    requests = [
        judge_request(
            prompts, first, question, shown[first], sampling, samples,
            seed_for("compare", question.id, first),
        )
        for first in SIDES
    ]  # fmt: skip
    if beside_base:
        requests += [
            msgspec.structs.replace(request, id=_BASE + request.id, use_adapter=False)
            for request in requests
        ]
    answered = yield requests
    responses = {response.id: response for response in answered}
    judged = _over_orders("the judge", question.id, responses, "", prompts)
    if not beside_base:
        return judged
    base = _over_orders("the judge's base", question.id, responses, _BASE, prompts)
    return msgspec.structs.replace(judged, base=base)


def _over_orders(
    who: str, pair_id: str, responses: dict[str, Response], prefix: str, prompts: PromptSet
) -> PairJudgement:
    judgements: list[OneJudgement] = []
    for first in SIDES:
        response = responses[prefix + first]
        if response.error is not None:
            raise EngineError(f"{who} cannot answer: {response.error}")
        judgements += _read(response, first, prompts)
    winner, reason = _won(judgements)
    agreeing = sum(judgement.winner == winner for judgement in judgements)
    return PairJudgement(
        id=pair_id,
        winner=winner,
        reason=reason,
        confidence=None if winner is None else agreeing / len(judgements),
        judgements=tuple(judgements),
    )


def _read(response: Response, first: Side, prompts: PromptSet) -> Iterator[OneJudgement]:
    for sample in response.samples:
        verdict = prompts.read_verdict(sample.text, sample.finish_reason)
        yield OneJudgement(
            shown_first=first,
            winner=_side(verdict, first),
            reason=verdict.reason,
            text=sample.text,
        )


def _side(verdict: Verdict, first: Side) -> Side | None:
    if verdict.choice is Choice.UNDECIDED:
        return None
    return "a" if (verdict.choice is Choice.A) == (first == "a") else "b"


def _won(judgements: list[OneJudgement]) -> tuple[Side | None, str | None]:
    """Returns the winner of both orders, or the reason why there is none."""
    winners: list[Side] = []
    for first in SIDES:
        order = [judgement for judgement in judgements if judgement.shown_first == first]
        named = [judgement.winner for judgement in order]
        won = [side for side in SIDES if 2 * named.count(side) > len(named)]
        if not won:
            reasons = [judgement.reason for judgement in order if judgement.reason]
            return None, mode(reasons) if reasons else "samples_disagree"
        winners += won
    one, other = winners
    return (one, None) if one == other else (None, "orders_disagree")
