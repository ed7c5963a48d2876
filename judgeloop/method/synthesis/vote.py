"""Closed questions: the majority of N samples against another answer (paper, stage I)."""

from __future__ import annotations

from collections import Counter

from judgeloop.method.synthesis.answers import normalize
from judgeloop.method.synthesis.units import in_one_unit
from judgeloop.schema.keys import content_key, fraction
from judgeloop.schema.method_sections import SynthesisSection
from judgeloop.schema.records import Dropped, Kind, Pair, Question, Voted
from judgeloop.schema.requests import Response


def pair_by_vote(
    question: Question, response: Response, settings: SynthesisSection, seed: int
) -> Pair | Dropped:
    """Makes a pair of whole responses: one with the majority answer, one with another.

    The most frequent answer must have at least `vote_threshold` votes, and `vote_margin` more than
    any other. Cut-off samples and samples without one readable answer have no vote. Which sample
    stands for the majority, and which of the others is rejected, is drawn by seed (uniform over
    samples); `vote_rejected` may leave the samples of the most frequent other answer alone.
    """
    if response.error is not None:
        return Dropped(id=question.id, reason="engine_error", detail=response.error)
    answers = [
        normalize(sample.text, question) if sample.finish_reason == "stop" else None
        for sample in response.samples
    ]
    if question.kind is Kind.NUMBER:
        answers = in_one_unit(answers)
    votes = list(zip(answers, (sample.text for sample in response.samples), strict=True))
    counts = Counter(answer for answer, _ in votes if answer is not None)
    reason = _unusable(counts, settings)
    if reason:
        return Dropped(id=question.id, reason=reason, detail=_describe(counts))
    ((majority, _),) = counts.most_common(1)
    chosen = _draw([text for answer, text in votes if answer == majority], question, seed, "c")
    others = set(counts) - {majority}
    if settings.vote_rejected == "frequent":
        others = {min(others, key=lambda answer: (-counts[answer], answer))}
    rejected = _draw([text for answer, text in votes if answer in others], question, seed, "r")
    return Pair(
        id=content_key("vote", question.id, chosen, rejected),
        question=question,
        chosen=chosen,
        rejected=rejected,
        origin=Voted(counts=dict(sorted(counts.items()))),
    )


def _unusable(counts: Counter[str], settings: SynthesisSection) -> str | None:
    ranked = counts.most_common()
    if not ranked:
        return "no_readable_answer"
    if ranked[0][1] < settings.vote_threshold:
        return "below_threshold"
    if len(ranked) == 1:
        return "unanimous"
    margin = ranked[0][1] - ranked[1][1]
    if not margin:
        return "tie"
    return "small_margin" if margin < settings.vote_margin else None


def _draw(texts: list[str], question: Question, seed: int, role: str) -> str:
    return texts[int(fraction("draw", role, seed, question.id) * len(texts))]


def _describe(counts: Counter[str]) -> str:
    return ", ".join(f"{answer}: {count}" for answer, count in sorted(counts.items()))
