"""The prompts for off-the-shelf VLMs, as Jinja templates beside this file.

The wording is ours: the paper's appendix has its prompts, but they could not be read
(`docs/method.md`). The order of a judge prompt is image, question, then what differs, so that both
orders of a pair share a prefix.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

import jinja2

from judgeloop.method.judging.verdict import parse_verdict
from judgeloop.schema.records import Kind, Question, Verdict


class DefaultPrompts:
    """Prompts in plain English; a judgement ends with the line `Verdict: A` or `Verdict: B`."""

    name = "default"
    verdict_endings = ("\nVerdict: A", "\nVerdict: B")
    judgement_tokens = 1024

    def answer(self, question: Question) -> str:
        """Asks the question, with the form of the final answer for closed questions."""
        return _render("answer", question=_asked(question), kind=question.kind, Kind=Kind)

    def alter(self, question: Question, answer: str, error: str) -> str:
        """Asks for a copy in the same style and length with one error of that kind."""
        return _render("alter", question=_asked(question), answer=answer, error=error)

    def judge(self, question: Question, answer_a: str, answer_b: str) -> str:
        """Asks for a comparison with reasons and a verdict on the last line."""
        return _render("judge", question=_asked(question), answer_a=answer_a, answer_b=answer_b)

    def read_verdict(self, text: str, finish_reason: str) -> Verdict:
        """Reads a verdict line, or another clear decision."""
        return parse_verdict(text, finish_reason)


def _asked(question: Question) -> str:
    """The question's text, with its options and their letters unless it has them already."""
    choices = question.choices or ()
    if not choices or all(choice in question.text for choice in choices):
        return question.text
    lines = [f"({chr(ord('A') + index)}) {choice}" for index, choice in enumerate(choices)]
    return "\n".join([question.text, *lines])


def _render(name: str, **variables: object) -> str:
    return _template(name).render(**variables).strip()


@cache
def _template(name: str) -> jinja2.Template:
    source = resources.files(__package__).joinpath(f"{name}.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    return environment.from_string(source)
