"""Open questions: a good answer against its copy with one planted error (paper, stage I)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from judgeloop.method.prompts import PromptSet
from judgeloop.method.synthesis.answers import MAX_ANSWER
from judgeloop.method.synthesis.cleaning import clean_answer, with_ending_of
from judgeloop.method.synthesis.difference import (
    changes,
    content,
    markup,
    say_the_same,
    similarity,
)
from judgeloop.method.synthesis.errors import ErrorKind
from judgeloop.method.synthesis.notes import talks_about_itself
from judgeloop.schema.keys import content_key, fraction, seed_for
from judgeloop.schema.method_sections import SynthesisSection
from judgeloop.schema.records import Altered, Dropped, Pair, Question
from judgeloop.schema.requests import Request, Response, Sample

MIN_SIMILARITY = 0.5
"""Share of segments in common below which a copy is another answer, not an altered one."""
MAX_PLACES = 3
"""Places that one error may change: what it is about can be named more than once."""
MAX_EDIT = 8
"""Segments that one place may change ..."""
MAX_EDIT_SHARE = 0.1
"""... or this share of the original's, where that is more."""
OMISSION = "omission"
"""The kind of error whose copies are shorter by nature."""


def alter_request(
    prompts: PromptSet,
    question: Question,
    answer: str,
    error: str,
    settings: SynthesisSection,
    seed: int,
) -> Request:
    """Asks for altered copies of an original answer, `alter_tries` of them."""
    return Request(
        id=question.id,
        text=prompts.alter(question, answer, error, fraction("alter wording", seed, question.id)),
        images=question.images,
        purpose="alter",
        variables={"question": question.text, "answer": answer, "error": error},
        sampling=settings.alter,
        seed=seed_for("alter", seed, question.id),
        n=settings.alter_tries,
    )


def original_answer(question: Question, response: Response) -> str | Dropped:
    """Returns the original answer without what wraps it, or why it cannot be used."""
    if response.error is not None:
        return Dropped(id=question.id, reason="engine_error", detail=response.error)
    sample = response.samples[0]
    if sample.finish_reason != "stop":
        return Dropped(id=question.id, reason="answer_truncated", detail=sample.text[-80:])
    if len(sample.text) > MAX_ANSWER:
        detail = f"{len(sample.text)} characters, the limit is {MAX_ANSWER}"
        return Dropped(id=question.id, reason="answer_too_long", detail=detail)
    answer = clean_answer(sample.text)
    if answer is None:
        return Dropped(id=question.id, reason="unfinished_thinking", detail=sample.text[-80:])
    return answer or Dropped(id=question.id, reason="answer_empty")


def pair_by_alteration(
    question: Question,
    answer: str,
    error: str,
    response: Response,
    settings: SynthesisSection,
    kinds: Mapping[str, ErrorKind],
) -> Pair | Dropped:
    """Makes a pair of the answer and an altered copy that passes the checks.

    Of several such copies, the one whose length is nearest to the answer's, so that length says
    nothing about which answer is the altered one.

    Args:
        question: The question.
        answer: The original answer.
        error: The kind of error that was asked for.
        response: The copies.
        settings: What a copy may be like.
        kinds: What is known of the kinds of error, by name.
    """
    if response.error is not None:
        return Dropped(id=question.id, reason="engine_error", detail=response.error)
    made = kinds[error].made if error in kinds else None
    size = _size_of(error, settings)
    copies = [_copy(answer, sample, size) for sample in response.samples]
    if made is not None:
        copies = [
            copy if isinstance(copy, Unusable) or made(answer, copy) else Unusable.OTHER_KIND
            for copy in copies
        ]
    usable = [copy for copy in copies if not isinstance(copy, Unusable)]
    if not usable:
        detail = response.samples[0].text[:200]
        return Dropped(id=question.id, reason=str(copies[0]), detail=detail)
    copy = min(usable, key=lambda copy: abs(math.log(len(copy) / len(answer))))
    return Pair(
        id=content_key("alter", question.id, answer, copy),
        question=question,
        chosen=answer,
        rejected=copy,
        origin=Altered(error=error, place=changed_words(answer, copy)),
    )


def changed_words(original: str, copy: str) -> str:
    """Returns what was replaced, as `old words -> new words`; several places joined by `; `."""
    return "; ".join(f"{change.before} -> {change.after}" for change in changes(original, copy))


class Unusable(StrEnum):
    """Why a copy is not used."""

    TRUNCATED = "copy_truncated"
    THINKING = "unfinished_thinking"
    EMPTY = "copy_empty"
    LENGTH = "length"
    UNCHANGED = "unchanged"
    NOTE = "alteration_note"
    FORM = "other_form"
    REWRITTEN = "rewritten"
    ERRORS = "several_errors"
    EDIT = "large_edit"
    OTHER_KIND = "other_kind_of_error"


class _Size(NamedTuple):
    """How much shorter or longer than its original a copy may be, and how much one edit takes."""

    shortest: float
    longest: float
    edit_share: float


def _size_of(error: str, settings: SynthesisSection) -> _Size:
    """Returns the bounds for a kind of error: an omission is shorter by nature."""
    if error == OMISSION:
        shortest = settings.min_omission_ratio
        return _Size(shortest, 1.0, max(MAX_EDIT_SHARE, 1 - shortest))
    return _Size(settings.min_length_ratio, 1 / settings.min_length_ratio, MAX_EDIT_SHARE)


def _copy(original: str, sample: Sample, size: _Size) -> str | Unusable:
    """Returns the altered copy without what wraps it, or why it is not used."""
    if sample.finish_reason != "stop":
        return Unusable.TRUNCATED
    if len(sample.text) > MAX_ANSWER:
        return Unusable.LENGTH
    copy = clean_answer(sample.text)
    if copy is None:
        return Unusable.THINKING
    if not copy:
        return Unusable.EMPTY
    copy = with_ending_of(copy, original)
    return _fault(original, copy, size) or copy


def _fault(original: str, copy: str, size: _Size) -> Unusable | None:
    if say_the_same(original, copy):
        return Unusable.UNCHANGED
    before, after = content(original), content(copy)
    if talks_about_itself(copy, original):
        return Unusable.NOTE
    ratio = len(copy) / len(original)
    if not size.shortest <= ratio <= size.longest:
        return Unusable.LENGTH
    if markup(copy) != markup(original):
        return Unusable.FORM
    if similarity(before, after) < MIN_SIMILARITY:
        return Unusable.REWRITTEN
    places = changes(original, copy)
    if not places:  # only spaces differ, as in `-5` and `- 5`
        return Unusable.UNCHANGED
    if len(places) > MAX_PLACES:
        return Unusable.ERRORS
    largest = max(change.size for change in places)
    limit = max(MAX_EDIT, int(len(before) * size.edit_share))
    return Unusable.EDIT if largest > limit else None
