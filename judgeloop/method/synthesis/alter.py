"""Open questions: a good answer against its copy with one planted error (paper, stage I)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from judgeloop.method.prompts import PromptSet
from judgeloop.method.synthesis.answers import MAX_ANSWER
from judgeloop.method.synthesis.vote import answer_variables
from judgeloop.schema.config import SynthesisSection
from judgeloop.schema.keys import content_key, fraction, seed_for
from judgeloop.schema.records import Altered, Dropped, Pair, Question
from judgeloop.schema.requests import Request, Response, Sample

# Words by which a model talks about the alteration instead of just making it.
_NOTE = re.compile(
    r"\b(?:mistake|error|incorrect(?:ly)?|altered|alteration|modified|changed)\b|\bnote:", re.I
)
MAX_CHANGED_SHARE = 0.5
"""A copy in which more of the words differ is another answer, not an altered one."""


def answer_request(
    prompts: PromptSet, question: Question, settings: SynthesisSection, seed: int
) -> Request:
    """Asks an open question once: the original answer."""
    return Request(
        id=question.id,
        text=prompts.answer(question),
        images=question.images,
        purpose="answer",
        variables=answer_variables(question),
        sampling=settings.answer,
        seed=seed_for("answer", seed, question.id),
    )


def alter_request(
    prompts: PromptSet, question: Question, answer: str, settings: SynthesisSection, seed: int
) -> Request:
    """Asks for altered copies of an original answer, `alter_tries` of them."""
    error = draw_error(question, settings.errors, seed)
    return Request(
        id=question.id,
        text=prompts.alter(question, answer, error),
        images=question.images,
        purpose="alter",
        variables={"question": question.text, "answer": answer, "error": error},
        sampling=settings.alter,
        seed=seed_for("alter", seed, question.id),
        n=settings.alter_tries,
    )


def draw_error(question: Question, errors: Sequence[str], seed: int) -> str:
    """Draws the kind of error to plant, by seed and question."""
    return errors[int(fraction("error", seed, question.id) * len(errors))]


def original_answer(question: Question, response: Response) -> str | Dropped:
    """Returns the original answer, or why it cannot be used."""
    if response.error is not None:
        return Dropped(id=question.id, reason="engine_error", detail=response.error)
    sample = response.samples[0]
    if sample.finish_reason != "stop":
        return Dropped(id=question.id, reason="answer_truncated", detail=sample.text[-80:])
    if len(sample.text) > MAX_ANSWER:
        detail = f"{len(sample.text)} characters, the limit is {MAX_ANSWER}"
        return Dropped(id=question.id, reason="answer_too_long", detail=detail)
    return sample.text.strip() or Dropped(id=question.id, reason="answer_empty")


def pair_by_alteration(
    question: Question, answer: str, response: Response, settings: SynthesisSection, seed: int
) -> Pair | Dropped:
    """Makes a pair of the answer and the first altered copy that passes the checks."""
    if response.error is not None:
        return Dropped(id=question.id, reason="engine_error", detail=response.error)
    reasons = [(sample, _unusable(answer, sample, settings)) for sample in response.samples]
    for sample, reason in reasons:
        if reason is None:
            copy = sample.text.strip()
            error = draw_error(question, settings.errors, seed)
            return Pair(
                id=content_key("alter", question.id, answer, copy),
                question=question,
                chosen=answer,
                rejected=copy,
                origin=Altered(error=error, place=changed_words(answer, copy)),
            )
    sample, reason = reasons[0]
    return Dropped(id=question.id, reason=reason or "unchanged", detail=sample.text[:200])


def changed_words(original: str, copy: str) -> str:
    """Returns what was replaced, as `old words -> new words`; several places joined by `; `."""
    before, after = original.split(), copy.split()
    blocks = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return "; ".join(
        f"{' '.join(before[i1:i2])} -> {' '.join(after[j1:j2])}"
        for tag, i1, i2, j1, j2 in blocks
        if tag != "equal"
    )


def _unusable(original: str, sample: Sample, settings: SynthesisSection) -> str | None:
    copy = sample.text.strip()
    if sample.finish_reason != "stop":
        return "copy_truncated"
    if not copy:
        return "copy_empty"
    if copy.split() == original.split():
        return "unchanged"
    ratio = len(copy) / len(original)
    if not settings.min_length_ratio <= ratio <= 1 / settings.min_length_ratio:
        return "length"
    if _NOTE.search(copy) and not _NOTE.search(original):
        return "alteration_note"
    matcher = difflib.SequenceMatcher(None, original.split(), copy.split(), autojunk=False)
    return "rewritten" if matcher.ratio() < 1 - MAX_CHANGED_SHARE else None
