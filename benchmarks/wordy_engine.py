"""A scripted VLM that writes like real ones: many phrasings, preambles, truncation and mistakes.

It does not look at images: the truth of an image is drawn from a hash. It replaces a model where
realistic texts are needed, but not their truth.
"""

from __future__ import annotations

import random
import re

from judgeloop.engines.queued import QueuedEngine
from judgeloop.schema.keys import content_key
from judgeloop.schema.records import Kind
from judgeloop.schema.requests import Request, Response, Sample

SLOTS = 64
RIGHT = 0.7
"""Share of answers to closed questions, and of judgements, that follow the truth."""
_COLORS = ("red", "green", "blue", "yellow", "brown", "black")
_NOUNS = ("dog", "kettle", "boat", "tree", "ball", "clock", "bird", "chair")
_RELATIONS = ("to the left of", "above", "behind", "next to", "below")
_ACTIONS = ("standing", "leaning", "hanging", "resting")
_NUMBERS = ("one", "two", "three", "four", "five")
_WORDINGS = {
    Kind.NUMBER: ("{}", "There are {}.", "I count {} of them.\n\n**Answer:** {}", "Answer: {}"),
    Kind.YES_NO: ("{}.", "{}, as far as can be seen.", "Looking closely: {}.\nAnswer: {}"),
    Kind.MULTIPLE_CHOICE: ("({})", "The answer is {}.", "{}", "Option {} fits best.\n\nAnswer: {}"),
    Kind.SHORT_PHRASE: ("{}", "It is {}.", "**{}**", "Answer: {}"),
}
_SWAPS = {
    "attribute": _COLORS,
    "object": _NOUNS,
    "count": _NUMBERS,
    "spatial relation": _RELATIONS,
    "action": _ACTIONS,
}


class WordyEngine(QueuedEngine):
    """Answers, alters and judges; when judging, it recognizes texts that it wrote as true."""

    def __init__(self) -> None:
        super().__init__(SLOTS)
        self._true: set[str] = set()

    def answer(self, request: Request) -> Response:
        """Writes a request's samples."""
        write = {"answer": self._answer, "alter": _alter, "judge": self._judge}[request.purpose]
        samples = []
        for seed in range(request.seed, request.seed + request.n):
            rng = random.Random(f"{content_key(request.text, request.images)} {seed}")
            text = write(request, rng)
            cut = rng.random() < 0.03
            samples.append(
                Sample(
                    text=text[: len(text) // 2] if cut else text,
                    finish_reason="length" if cut else "stop",
                    tokens=len(text) // 4 + 1,
                )
            )
        return Response(id=request.id, samples=tuple(samples))

    def _answer(self, request: Request, rng: random.Random) -> str:
        kind = Kind(request.variables["kind"])
        truth = random.Random(content_key(request.images, request.variables["question"]))
        if kind.is_open:
            text = _described(truth)
            self._true.add(text)
            return text if rng.random() < 0.7 else f"Sure! Here is a description:\n\n{text}"
        if rng.random() < 0.04:
            return "I'm sorry, I can't tell from this picture."
        final = _final(kind, request, truth)
        is_true = rng.random() < RIGHT
        text = rng.choice(_WORDINGS[kind])
        text = text.replace("{}", final if is_true else _final(kind, request, rng))
        if is_true:
            self._true.add(text)
        return text

    def _judge(self, request: Request, rng: random.Random) -> str:
        one, other = request.variables["answer_a"], request.variables["answer_b"]
        known = (one in self._true) - (other in self._true)
        first = known > 0 if known and rng.random() < RIGHT else rng.random() < 0.6
        if rng.random() < 0.03:
            return "Both answers have merits, and it is hard to say which one is better."
        better = one if first else other
        seen = " ".join(better.split()[:12])
        endings = request.verdict_endings or ("\nVerdict: A", "\nVerdict: B")
        return (
            f"The picture agrees with the claim that reads: {seen}. The other answer states "
            f"something that cannot be seen there, so it is the weaker one.{endings[not first]}"
        )


def _final(kind: Kind, request: Request, rng: random.Random) -> str:
    choices = [line for line in request.variables["choices"].splitlines() if line]
    if kind is Kind.NUMBER:
        return str(rng.randrange(1, 7))
    if kind is Kind.YES_NO:
        return rng.choice(("Yes", "No"))
    if kind is Kind.MULTIPLE_CHOICE:
        return "ABCDEFGHIJ"[rng.randrange(min(10, max(2, len(choices))))]
    return f"a {rng.choice(_COLORS)} {rng.choice(_NOUNS)}"


def _described(rng: random.Random) -> str:
    """Describes a scene in some of six sentences."""
    one, two, three = rng.sample(_NOUNS, 3)
    colors = rng.sample(_COLORS, 2)
    sentences = [
        f"The picture shows a {colors[0]} {one} {rng.choice(_RELATIONS)} a {colors[1]} {two}.",
        f"There are {rng.choice(_NUMBERS[1:])} {three}s {rng.choice(_ACTIONS)} in the background.",
        f'A sign reads "{rng.choice(("OPEN", "STOP", "CAFE 21"))}".',
        "The light is soft and comes from above.",
        f"The {one} is larger than the {two}, because it is nearer to the camera.",
        f"A {three} is {rng.choice(_ACTIONS)} near the edge.",
    ]
    return " ".join([sentences[0], *rng.sample(sentences[1:], rng.randrange(1, 4))])


def _alter(request: Request, rng: random.Random) -> str:
    answer, error = request.variables["answer"], request.variables["error"]
    luck = rng.random()
    if luck < 0.08:
        return answer
    copy = _altered(answer, error, rng)
    if luck < 0.12:
        return f"{copy}\n\nNote: I changed one detail as requested."
    if luck < 0.16:
        return _described(rng)
    return copy if luck < 0.85 else f"Here is the new answer:\n\n{copy}"


def _altered(answer: str, error: str, rng: random.Random) -> str:
    if error in _SWAPS:
        found = [word for word in _SWAPS[error] if re.search(rf"\b{word}", answer)]
        if found:
            old = rng.choice(found)
            new = rng.choice([word for word in _SWAPS[error] if word != old])
            return re.sub(rf"\b{old}", new, answer, count=1)
    sentences = answer.split(". ")
    if error == "omission":
        return ". ".join(sentences[:-1]).rstrip(".") + "."
    if error == "invented object":
        return answer.replace(".", f" with a small {rng.choice(_NOUNS)} on it.", 1)
    if error == "swapped attributes":
        colors = [color for color in _COLORS if color in answer][:2]
        if len(colors) == 2:
            one, other = colors
            return answer.replace(one, "\0").replace(other, one).replace("\0", other)
    if error == "text in the image":
        return re.sub(r'"[^"]*"', f'"{rng.choice(("CLOSED", "EXIT", "BAR 12"))}"', answer)
    return answer.replace("nearer to", "farther from").replace("above", "below")
