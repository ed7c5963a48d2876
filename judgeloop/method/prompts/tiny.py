"""The prompts of the tiny world's VLM, in the formats of its pretraining."""

from __future__ import annotations

from collections.abc import Mapping

from judgeloop.method.judging.verdict import parse_tiny_verdict
from judgeloop.method.synthesis.errors import ErrorKind
from judgeloop.schema.records import Question, Verdict
from judgeloop.tiny import formats


class TinyPrompts:
    """Prompts of a few words; a judgement ends with the bare letter of the better answer."""

    name = "tiny"
    verdict_endings = (" A", " B")
    images_last = False
    judgement_tokens = 32
    error_kinds: Mapping[str, ErrorKind] = {}
    """The model knows its kinds of error by their names, and may be asked for any of them."""

    def answer(self, question: Question) -> str:
        """Asks the question itself."""
        return question.text

    def alter(self, question: Question, answer: str, error: str, draw: float) -> str:
        """Asks for a copy with an error of that kind."""
        return formats.alter(error, answer)

    def judge(self, question: Question, answer_a: str, answer_b: str) -> str:
        """Shows the question and both answers with their letters."""
        return formats.judge(question.text, answer_a, answer_b)

    def read_verdict(self, text: str, finish_reason: str) -> Verdict:
        """Reads the letter after what was seen."""
        return parse_tiny_verdict(text, finish_reason)

    def compare(self, question: Question, original: str, copy: str) -> None:
        """The model was not taught to compare meanings."""

    def files(self) -> dict[str, str]:
        """There are none."""
        return {}


class TinyChoosePrompts(TinyPrompts):
    """Asks by the task in which the base was taught to choose truthfully: its best prompt."""

    name = "tiny-choose"

    def judge(self, question: Question, answer_a: str, answer_b: str) -> str:
        """Shows the question and both answers as options; the answer has a judgement's form."""
        return formats.choose(question.text, (answer_a, answer_b))
