"""Kinds of error that can be planted in an answer: which ones it offers, and which a copy has.

A kind is drawn among those that the answer offers, for no model can miscount what was not counted;
where a check can tell that a copy has another kind of error than it was asked for, it is not used.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from judgeloop.method.synthesis.difference import content
from judgeloop.schema.keys import fraction
from judgeloop.schema.records import Question


class ErrorKind(NamedTuple):
    """One kind."""

    wording: str
    """What is asked for, in words that complete "a mistake of this kind: "."""
    offered: Callable[[str], bool]
    """Whether an answer has what such an error is about."""
    made: Callable[[str, str], bool] = lambda original, copy: True
    """Whether a copy may have it: False only where it surely has not."""


_COLOURS = (
    "red orange yellow green blue purple violet pink brown black white grey gray beige "
    "turquoise cyan magenta golden silver dark light bright pale"
)
_QUALITIES = (
    "big large small little tiny huge tall short long wide narrow thick thin old young new "
    "round square rectangular oval flat curved wooden metal metallic plastic glass stone "
    "brick leather striped spotted plain empty full open closed wet dry sunny cloudy snowy "
    "smooth rough furry"
)
_NUMBERS = (
    "one two three four five six seven eight nine ten eleven twelve dozen single double pair "
    "several both none no"
)
_RELATIONS = (
    "left right above below under underneath over behind beside between near next inside "
    "outside top bottom middle center centre corner front foreground background across along "
    "against around upper lower"
)
_ACTIONS = (
    "sits stands walks runs holds lies eats drinks plays rides looks jumps sleeps wears "
    "carries reads flies swims drives leans smiles points faces hangs crawls"
)
_NO_ACTIONS = (
    "building ceiling clothing evening morning painting thing string spring king ring wing"
)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+|\d+(?:\.\d+)?", text.lower())


def _says_something(answer: str) -> bool:
    return bool(_words(answer))


def _any_of(words: str, answer: str) -> bool:
    return not set(words.split()).isdisjoint(_words(answer))


def _counts(answer: str) -> bool:
    return any(word[0].isdigit() or word in _NUMBERS.split() for word in _words(answer))


def _acts(answer: str) -> bool:
    known, other = set(_ACTIONS.split()), set(_NO_ACTIONS.split())
    words = set(_words(answer)) - other
    return bool(words & known) or any(word.endswith("ing") and len(word) > 5 for word in words)


def _shows_text(answer: str) -> bool:
    said = (
        r"\b(?:reads|says|titled|labell?ed|written|inscription|caption|logo|sign|letters?|words?)\b"
    )
    quoted = r'["“”«»「」][^"“”«»「」]+["“”«»「」]'
    return re.search(f"{said}|{quoted}", answer, re.IGNORECASE) is not None


def _reasons(answer: str) -> bool:
    because = r"\b(?:because|therefore|thus|hence|since|so|means|first|then|finally|step)\b|[=×÷]"
    return re.search(because, answer, re.IGNORECASE) is not None


def _two_attributes(answer: str) -> bool:
    found = set(_words(answer))
    return any(len(found & set(group.split())) >= 2 for group in (_COLOURS, _QUALITIES))


def _several_things(answer: str) -> bool:
    parts = re.split(r"[.;,\n]|\band\b|\bwith\b", answer)
    return sum(1 for part in parts if len(part.split()) >= 2) >= 2


def _swapped(original: str, copy: str) -> bool:
    return Counter(content(original)) == Counter(content(copy))


def _shorter(original: str, copy: str) -> bool:
    return len(content(copy)) < len(content(original))


def _longer(original: str, copy: str) -> bool:
    return len(content(copy)) > len(content(original))


def _recounted(original: str, copy: str) -> bool:
    def numbers(text: str) -> Counter[str]:
        counting = set(_NUMBERS.split())
        return Counter(word for word in _words(text) if word[0].isdigit() or word in counting)

    return numbers(original) != numbers(copy)


ERROR_KINDS: Mapping[str, ErrorKind] = {
    "object": ErrorKind(
        "an object, which becomes another one",
        _says_something,
    ),
    "attribute": ErrorKind(
        "an attribute of an object, such as its colour, size or material",
        lambda answer: _any_of(f"{_COLOURS} {_QUALITIES}", answer),
    ),
    "count": ErrorKind("a number, such as how many there are", _counts, _recounted),
    "spatial relation": ErrorKind(
        "where something is, relative to another thing or in the picture",
        lambda answer: _any_of(_RELATIONS, answer),
    ),
    "text in the image": ErrorKind("text that is seen in the picture, misread", _shows_text),
    "action": ErrorKind("what somebody or something does", _acts),
    "reasoning step": ErrorKind(
        "one step of the reasoning, with a conclusion that follows from it", _reasons
    ),
    "swapped attributes": ErrorKind(
        "two things exchange an attribute, such as their colours, and all else stays",
        _two_attributes,
        _swapped,
    ),
    "invented object": ErrorKind(
        "one more thing is mentioned, in a few words, that is not there",
        _says_something,
        _longer,
    ),
    "omission": ErrorKind(
        "one important thing that the text mentions is left out, and nothing takes its place",
        _several_things,
        _shorter,
    ),
}
"""By the names that `synthesis.errors` gives them."""


def draw_error(
    kinds: Mapping[str, ErrorKind],
    question: Question,
    answer: str,
    errors: Sequence[str],
    seed: int,
) -> str | None:
    """Draws the kind of error to plant, by seed and question, among those that an answer offers.

    Args:
        kinds: What is known of the names; an unknown one is taken to be offered.
        question: The question.
        answer: The original answer.
        errors: The names.
        seed: Of the run.

    Returns:
        A name, None where the answer offers none of the kinds.
    """
    offered = [name for name in errors if name not in kinds or kinds[name].offered(answer)]
    if not offered:
        return None
    return offered[int(fraction("error", seed, question.id) * len(offered))]
