"""The interface of prompt sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from judgeloop.method.synthesis.errors import ErrorKind
from judgeloop.schema.keys import content_key
from judgeloop.schema.records import Kind, Question, Verdict


class JudgePrompts(Protocol):
    """Asks for a judgement, and reads its verdict."""

    @property
    def images_last(self) -> bool:
        """Whether a judge is shown the images after the text."""
        ...

    @property
    def verdict_endings(self) -> tuple[str, str]:
        """How a judgement ends that prefers the first answer, and one that prefers the second."""
        ...

    def judge(self, question: Question, answer_a: str, answer_b: str) -> str:
        """Asks which of two answers is better: reasons first, the verdict last."""
        ...

    def read_verdict(self, text: str, finish_reason: str) -> Verdict:
        """Reads a judgement's verdict."""
        ...


class PromptSet(JudgePrompts, Protocol):
    """Renders the text of the user turn for each purpose.

    Verdicts are read by the rules of `judging.verdict`.
    """

    name: str
    judgement_tokens: int
    """Tokens that suffice for a judgement of this set."""

    @property
    def error_kinds(self) -> Mapping[str, ErrorKind]:
        """The kinds of error that the set defines, by name; others are requested by name alone."""
        ...

    def answer(self, question: Question) -> str:
        """Asks for an answer to the question."""
        ...

    def alter(self, question: Question, answer: str, error: str, draw: float) -> str:
        """Asks for a copy of the answer with one planted error of that kind.

        `draw`, from 0 to below 1, chooses the wording where the set has several.
        """
        ...

    def compare(self, question: Question, original: str, copy: str) -> str | None:
        """Asks whether a copy contradicts its original; None if the set has no such prompt."""
        ...

    def files(self) -> dict[str, str]:
        """Returns the texts of the files that the prompts are made of by their names, if any."""
        ...


def prompt_hash(prompts: PromptSet) -> str:
    """Returns a hash that changes when any wording of the set changes, wherever its files lie."""
    probes = [
        Question(id="", images=(), text="<question>", kind=kind, choices=choices)
        for kind in Kind
        for choices in (None, ("<one>", "<other>"))
    ]
    return content_key(
        prompts.verdict_endings,
        [prompts.answer(probe) for probe in probes],
        [prompts.alter(probe, "<answer>", "<error>", 0) for probe in probes],
        [prompts.judge(probe, "<answer A>", "<answer B>") for probe in probes],
        sorted(prompts.files().items()),
        {name: kind.wording for name, kind in prompts.error_kinds.items()},
    )
