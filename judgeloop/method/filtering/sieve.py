"""Drops traces that teach no reasoning: without a reason, boilerplate, or near duplicates."""

from __future__ import annotations

from judgeloop.method.filtering.near_duplicates import Memory, NearDuplicates
from judgeloop.method.filtering.reasons import (
    SharedSentences,
    names_an_answer,
    reason_of,
    words_of,
)
from judgeloop.schema.method_sections import FilteringSection
from judgeloop.schema.records import Judgement, Pair


class Sieve:
    """Decides which agreeing traces are left out; call `fault` once per trace, in order.

    Args:
        settings: What a reason needs, and how near duplicates are.
        shared: Has counted the sentences of all traces that agree; None to allow any sentence.
        memory: Empty; remembers the traces.
    """

    def __init__(
        self, settings: FilteringSection, shared: SharedSentences | None, memory: Memory
    ) -> None:
        self._settings = settings
        self._shared = shared
        near = settings.max_similarity
        self._near = None if near is None else NearDuplicates(near, memory)

    def fault(self, pair: Pair, judgement: Judgement) -> str | None:
        """Returns why a trace is left out; None for a trace that is kept, which is remembered.

        `permuted_options`: with the options in another order its verdict was not the same.
        `no_reason`: fewer than `reason_words` words beside the verdict. `names_nothing`: no word of
        the answers. `boilerplate`: the same, once the sentences that too many traces share are left
        out. `near_duplicate`: it nearly repeats an earlier trace that was not left out.
        """
        again = judgement.permuted
        wanted = judgement.verdict.choice
        if self._settings.permuted_options and again and again.verdict.choice is not wanted:
            return "permuted_options"
        reason = reason_of(judgement.text)
        if found := self._lacks(reason, pair):
            return found
        if self._shared is not None:
            own = self._shared.without(reason)
            if not words_of(own) or self._lacks(own, pair):
                return "boilerplate"
        if self._near is not None and self._near.repeats(words_of(reason)):
            return "near_duplicate"
        return None

    def _lacks(self, reason: str, pair: Pair) -> str | None:
        if len(words_of(reason)) < self._settings.reason_words:
            return "no_reason"
        if self._settings.reason_names_answer and not names_an_answer(reason, pair):
            return "names_nothing"
        return None


def needs_sieve(settings: FilteringSection) -> bool:
    """Returns whether any setting may leave out a trace that agrees."""
    return bool(
        settings.reason_words
        or settings.last_verdict != "ignored"
        or settings.permuted_options
        or settings.reason_names_answer
        or settings.max_sentence_share is not None
        or settings.max_similarity is not None
    )
