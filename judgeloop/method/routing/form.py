"""Decides a question's kind by its wording.

The paper splits its prompts into questions with an open and with a closed solution space and does
not say how (arXiv 2512.05145, Figure 1). Here the wording decides, in the order of `RULES`: what
the question says about the form of its answer comes before the form of the question itself.
"""

from __future__ import annotations

import re

import msgspec

from judgeloop.method.routing.options import options_in
from judgeloop.schema.records import Kind


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A question's kind and why."""

    kind: Kind
    rule: str
    """Name of the rule that decided; see `RULES`."""
    choices: tuple[str, ...] | None = None
    """The options that stand in the text of a multiple-choice question."""
    sure: bool = True
    """False where the wording does not show the form of the answer."""


_FLAGS = re.IGNORECASE | re.MULTILINE
_AUXILIARY = (
    "is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|isn't|aren't|doesn't|"
    "don't|didn't|wasn't|weren't|am|must|may"
)
_REQUEST = re.compile(
    r"\b(?:can|could|would|will)\s+you\b(?!\s+(?:see|find|spot|identify\s+any))", _FLAGS
)
"""`Could you describe ...` asks for a text, not for yes or no."""
_YES_NO_OPTIONS = {frozenset({"yes", "no"}), frozenset({"true", "false"})}

RULES: tuple[tuple[str, Kind, re.Pattern[str]], ...] = tuple(
    (name, kind, re.compile(pattern, _FLAGS))
    for name, kind, pattern in (
        (
            "asks for yes or no",
            Kind.YES_NO,
            r"\b(?:answer|respond|reply|say|state|output|write)?\b[^.\n]{0,30}"
            r"(?:\byes\s*(?:or|/|and)\s*no\b|\byes\s*,\s*no\b|\btrue\s*(?:or|/)\s*false\b)",
        ),
        (
            "asks for a number",
            Kind.NUMBER,
            r"\b(?:answer|respond|reply|give|provide|write|output|express)\b[^.\n]{0,40}"
            r"\b(?:a|one|the|only|single|exact|whole)\s+(?:\w+\s+){0,2}"
            r"(?:number|integer|digit|decimal|float|numeral)s?\b"
            r"|\brequires? an? (?:integer|float\w*(?:-point)?|numeric(?:al)?)\b"
            r"|\b(?:round|rounded) (?:\w+ ){0,4}to (?:the )?(?:nearest|\w+ decimal)",
        ),
        (
            "asks for a caption",
            Kind.CAPTION,
            r"\b(?:describe|caption|depict|portray)\b[^.?\n]{0,40}\b(?:image|picture|photo\w*|"
            r"scene|figure|painting|illustration|drawing|video|this|it)\b"
            r"|\b(?:a|an|the|write|give|provide|generate|create)\s+(?:\w+\s+){0,4}"
            r"(?:caption|description|depiction)\b"
            r"|\bwhat (?:is|'s) happening in (?:the|this)\b|\bwhat do you see\b"
            r"|\bwhat does (?:the|this) (?:image|picture|photo\w*|scene) (?:show|depict|portray)\b",
        ),
        (
            "asks for a text",
            Kind.LONG_ANSWER,
            r"\b(?:explain|summari[sz]e|discuss|elaborate|analy[sz]e|justify|interpret|outline|"
            r"argue|imagine|brainstorm|describe|compose|narrate|recommend|suggest)\b"
            r"|\b(?:write|tell|create|draft)\s+(?:me\s+)?(?:an?|the|some|about)\b"
            r"|\b(?:in (?:great |more )?detail|step[- ]by[- ]step|"
            r"in (?:two|three|a few|several|\d+)"
            r"(?: (?:or|to) \w+)? sentences|in your own words|comprehensive\w*|give reasons?|"
            r"a paragraph|your (?:reasoning|opinion|thoughts))\b"
            r"|^\s*(?:why|how come|how (?:do|does|did|can|could|would|might|should|is|are|was|were|"
            r"has|have))\b|\bwhat (?:can|could|might|would|may|should) (?:you|we|one|be|the)\b"
            r"|\bwhat (?:are|is) (?:some|the (?:possible|potential|main \w+s\b|purpose|"
            r"significance|importance|difference\w*|relationship|meaning|role|advantage\w*|benefit\w*))\b",
        ),
        (
            "asks how many",
            Kind.NUMBER,
            r"\bhow (?:many|much)\b|\bcount (?:the|all|how)\b|\bwhat number of\b"
            r"|\b(?:total|exact) number of\b|\bwhat is the (?:\w+ ){0,3}"
            r"(?:number|count|sum|total|value|difference|average|mean|median|ratio|percentage|"
            r"percent|probability|area|perimeter|volume|length|height|width|radius|diameter|"
            r"distance|angle|measure|degree|price|cost|speed|age|population|rate|range)\b"
            r"|\bwhat (?:percentage|percent|fraction|proportion)\b"
            r"|\bhow (?:long|tall|wide|deep|old|far|high|heavy|big|large|fast|often) "
            r"(?:is|are|was|were|does|do|did|would|will)\b"
            r"|\b(?:find|calculate|compute|determine|solve|evaluate|estimate)\s+(?:for\s+)?(?:the\b|[a-z]\b|m\b|\$|\\)",
        ),
    )
)  # fmt: skip
"""Name, kind and wording; the first that matches decides, after options and before the question's
own form."""
_SHORT = re.compile(
    r"\b(?:single|one|few|\d+|two|three)\s*(?:or\s+\w+\s+)?(?:-\s*)?(?:words?|phrases?)\b"
    r"|\bword or (?:short )?phrase\b|\b(?:short|brief|concise) (?:phrase|answer)\b"
    r"|\b(?:answer|respond|reply) (?:briefly|concisely|shortly)\b|\bshort answer\b",
    _FLAGS,
)
_AUXILIARY_FIRST = re.compile(rf"^(?:[^?\n]{{0,120}},\s*)?(?:{_AUXILIARY})\b[^?\n]*\?", _FLAGS)
_ALTERNATIVES = re.compile(
    r"\b\w+(?: \w+){0,3},? or (?!not\b|more\b|less\b|any\b)\w+[^?\n]*\?", _FLAGS
)
_WH_FIRST = re.compile(r"\b(?:what|which|who|whose|whom|where|when|name|identify|read)\b", _FLAGS)
_LONG_QUESTION_WORDS = 40


def route(text: str) -> Route:
    """Returns a question's kind.

    Args:
        text: The question as it is asked, with its options and instructions.
    """
    choices = options_in(text)
    if choices:
        if frozenset(choice.lower().strip(".") for choice in choices) in _YES_NO_OPTIONS:
            return Route(kind=Kind.YES_NO, rule="options yes and no")
        return Route(kind=Kind.MULTIPLE_CHOICE, rule="options in the text", choices=choices)
    asks_short = _SHORT.search(text) is not None
    for name, kind, pattern in RULES:
        if kind.is_open and asks_short:
            continue  # "Describe the color in one word." has a short answer
        if pattern.search(text):
            return Route(kind=kind, rule=name)
    if _REQUEST.search(text) and not asks_short:
        return Route(kind=Kind.LONG_ANSWER, rule="asks for a text")
    if _AUXILIARY_FIRST.search(text):
        if _ALTERNATIVES.search(text):
            return Route(kind=Kind.SHORT_PHRASE, rule="offers alternatives")
        return Route(kind=Kind.YES_NO, rule="begins with an auxiliary verb")
    if asks_short:
        return Route(kind=Kind.SHORT_PHRASE, rule="asks for a short phrase")
    if _WH_FIRST.search(text) and len(text.split()) <= _LONG_QUESTION_WORDS:
        rule = "asks what, which, who, where or when"
        return Route(kind=Kind.SHORT_PHRASE, rule=rule, sure=False)
    return Route(kind=Kind.LONG_ANSWER, rule="none of the other forms", sure=False)
