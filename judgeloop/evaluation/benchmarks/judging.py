"""Asks a judge about a benchmark's items, and turns its judgements into outputs to score."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from judgeloop.evaluation.benchmarks.base import Benchmark, Item, Output, choice
from judgeloop.method.judging.verdict import undecided
from judgeloop.schema.records import (
    Choice,
    Judgement,
    Kind,
    Labelled,
    Order,
    Pair,
    Question,
    Verdict,
)


class ProtocolPrompts(msgspec.Struct, frozen=True):
    """A benchmark's official prompt in place of a prompt set's own, for judging."""

    benchmark: Benchmark
    template: str

    @property
    def images_last(self) -> bool:
        """True, as in the official scripts of VL-RewardBench and Multimodal RewardBench."""
        return True

    @property
    def verdict_endings(self) -> tuple[str, str]:
        """How a judgement ends for either response."""
        return self.benchmark.endings

    def judge(self, question: Question, answer_a: str, answer_b: str) -> str:
        """Returns the official prompt's text."""
        assert self.benchmark.prompt is not None
        return self.benchmark.prompt.render(self.template, question.text, answer_a, answer_b)

    def read_verdict(self, text: str, finish_reason: str) -> Verdict:
        """Reads a verdict by the protocol, which ignores the finish reason."""
        found = choice(self.benchmark, text)
        if found is not Choice.UNDECIDED:
            return Verdict(choice=found)
        return undecided("no_verdict" if text.strip() else "empty")


def item_pair(item: Item, image: str) -> Pair:
    """Returns an item as a labeled pair, with its image's hash."""
    return Pair(
        id=item.key,
        question=Question(id=item.key, images=(image,), text=item.question, kind=Kind.LONG_ANSWER),
        chosen=item.chosen,
        rejected=item.rejected,
        origin=Labelled(category=item.group),
    )


def outputs_of(
    benchmark: Benchmark, judgements: Iterable[Judgement], by_protocol: bool
) -> list[Output]:
    """Returns judgements as outputs.

    Args:
        benchmark: The benchmark whose items were judged.
        judgements: Judgements in any order and of any sample.
        by_protocol: Whether the judge was asked with the official prompt. If not, its verdict was
            read by the loop's own parser, and is rewritten in the protocol's words.
    """
    return [
        Output(
            item=one.pair_id,
            chosen_first=one.order is Order.CHOSEN_FIRST,
            sample=one.sample,
            text=_text(one) if by_protocol else _said_again(benchmark, one),
        )
        for one in judgements
    ]


def _text(judgement: Judgement) -> str:
    """Returns the judge's text; an error message is not one."""
    return "" if judgement.finish_reason == "error" else judgement.text


def _said_again(benchmark: Benchmark, judgement: Judgement) -> str:
    first, second = benchmark.endings
    return {Choice.A: first, Choice.B: second}.get(judgement.verdict.choice, "")
