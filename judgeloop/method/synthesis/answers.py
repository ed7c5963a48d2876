"""Reads the final answer of a response to a closed question, in a form that can be counted.

Two responses are counted as one answer only where they are the same answer; what cannot be told
has no vote. A wrong vote is worse than a lost one: it makes a pair of two answers that are equal.
"""

from __future__ import annotations

import json
import re

from judgeloop.method.markup import visible, without_control_tokens, without_thinking
from judgeloop.method.routing.options import options_in
from judgeloop.method.synthesis.numbers import read_number
from judgeloop.method.synthesis.options import read_option
from judgeloop.method.synthesis.phrases import is_no_answer, read_phrase, read_yes_no
from judgeloop.schema.records import Kind, Question

MAX_ANSWER = 20_000
"""Characters of a model's answer above which it is not used, for it is no answer: comparing two of
them, or looking for the final one, could take hours."""
MAX_FINAL = 400
"""Characters of a final answer; a longer one is no answer to a closed question."""
_MARK = (
    r"(?:final\s+|correct\s+|right\s+|my\s+)*"
    r"(?:answer|antwort|respuesta|réponse|resposta|risposta|ответ|答案|答え|回答|정답|답)"
)
_ANSWER_LINE = re.compile(
    rf"(?<!\w){_MARK}\s{{0,3}}(?:is\b(?!n't)\s{{0,3}}:?|ist\b|es\b|[:：=]|是[:：]?|は[:：]?)(?P<final>.*)$",
    re.IGNORECASE,
)
_ANSWER_HEADING = re.compile(rf"[\s#]*{_MARK}\s{{0,3}}[:：]?\s*", re.IGNORECASE)
_TAGGED = re.compile(r"<(?:answer|final_answer)>([^<>]{1,400})</(?:answer|final_answer)>", re.I)
_BOXED = re.compile(
    r"\\(?:boxed|fbox)\s?\{((?:[^{}]|\{(?:[^{}]|\{[^{}]{0,80}\}){0,80}\}){1,200})\}"
)
_HASHES = re.compile(r"^####\s*(\S.*)$")
_FENCE = re.compile(r"^\s*(?:`{3,}|~{3,})\w{0,20}\s*$")
_DECORATION = " \t*_`"


def normalize(text: str, question: Question) -> str | None:
    """Returns the counted form of a response's final answer, or None if there is no one answer.

    A response of more than `MAX_ANSWER` characters has none.

    By kind: a choice's letter (also from an option's text), a number in canonical digits with its
    unit, `yes` or `no`, a short phrase in lower case without articles and punctuation.
    """
    final = final_answer(text) if len(text) <= MAX_ANSWER else None
    if final is None or len(final) > MAX_FINAL:
        return None
    if question.kind is Kind.MULTIPLE_CHOICE:
        return read_option(final, question.choices or options_in(question.text) or ())
    if is_no_answer(final):
        return None
    if question.kind is Kind.NUMBER:
        return read_number(final)
    if question.kind is Kind.YES_NO:
        return read_yes_no(final)
    return read_phrase(final)


def final_answer(text: str) -> str | None:
    r"""Returns what a response says last: a box, a tag, what follows `Answer:`, else the last line.

    None if thinking was never closed or nothing is said.
    """
    said = without_thinking(visible(text))
    if said is None:
        return None
    said = without_control_tokens(said).strip()
    if (field := _json_answer(said)) is not None:
        return field
    if tagged := _TAGGED.findall(said):
        return str(tagged[-1]).strip(_DECORATION) or None
    if boxed := _BOXED.findall(said):
        return str(boxed[-1]).strip(_DECORATION) or None
    lines = [line.strip(_DECORATION) for line in said.split("\n") if not _FENCE.match(line)]
    lines = [line for line in lines if line]
    for number in range(len(lines) - 1, -1, -1):
        line = lines[number]
        if len(line) > MAX_FINAL * 2:
            continue
        if match := _HASHES.match(line):
            return match[1].strip(_DECORATION)
        if _ANSWER_HEADING.fullmatch(line) and number + 1 < len(lines):
            return lines[number + 1]
        if match := _ANSWER_LINE.search(line):
            final = match["final"].strip(_DECORATION)
            if final:
                return final
    return lines[-1] if lines else None


def _json_answer(text: str) -> str | None:
    """Reads the field `answer` of a response that is one JSON object."""
    inner = re.sub(r"^`{3}\w{0,10}\s+|\s*`{3}$", "", text).strip()
    try:
        fields = json.loads(inner)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    for name in ("answer", "final_answer", "final answer"):
        value = fields.get(name)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return str(value).strip(_DECORATION) or None
    return None
