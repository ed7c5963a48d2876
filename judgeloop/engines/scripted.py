"""An engine without a model, which simulates one for tests and for the smallest loop.

It simulates a VLM that answers, alters and judges correctly as often as its settings say
(`scripted:skill=0.1,gain=0.5,first_bias=0.9,answer_skill=0.8`), and that training improves
(`judgeloop.training.scripted`). It derives the truth from hashes, never from gold data.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from judgeloop.engines.queued import QueuedEngine
from judgeloop.engines.scripted_model import (
    COLOURS,
    PLACES,
    SHAPES,
    ScriptedModel,
    Sight,
    load_scripted,
    read_base,
    vocabulary,
)
from judgeloop.models.local import LocalModel
from judgeloop.schema.engine_section import EngineSection
from judgeloop.schema.errors import DataError
from judgeloop.schema.keys import content_key
from judgeloop.schema.records import Kind
from judgeloop.schema.requests import Request, Response, Sample
from judgeloop.store import MissingObjectError
from judgeloop.store.images import ImageLibrary

UNCHANGED_SHARE = 0.1
"""Share of altered copies that are unchanged."""
UNPARSABLE_SHARE = 0.02
"""Share of judgements without a verdict."""


class ScriptedEngine(QueuedEngine):
    """Answers requests at random, with the configured probabilities of being right.

    Args:
        settings: The limit of a prompt is in words here.
        model: `scripted:...`, with or without an adapter; it is closed once it has been read.
        images: Images are opened from it, as by any engine.

    Raises:
        ConfigError: The model's name is wrong.
        EngineError: The adapter is not a scripted adapter.
    """

    def __init__(self, settings: EngineSection, model: LocalModel, images: ImageLibrary) -> None:
        super().__init__(settings.batch_size)
        self._limit = settings.max_prompt_tokens
        with model:
            self._model = load_scripted(model)
        self._base = read_base(model.base)
        self._images = images

    def answer(self, request: Request) -> Response:
        """Answers by the script, or returns the reason for a refusal."""
        refusal = self._refusal(request)
        if refusal is not None:
            return Response(id=request.id, error=refusal)
        greedy = request.sampling.temperature == 0
        model = self._model if request.use_adapter else self._base
        content = content_key(request.purpose, request.images, request.text)
        texts = [
            _write(request, model, random.Random(f"{content} {'' if greedy else seed}"))
            for seed in range(request.seed, request.seed + request.draws)
        ]
        samples = request.spread([_sample(text, request.sampling.max_tokens) for text in texts])
        return Response(id=request.id, samples=samples)

    def _refusal(self, request: Request) -> str | None:
        length = len(request.text.split())
        if length > self._limit:
            return (
                f"the prompt has {length} tokens, the limit is {self._limit} "
                "(engine.max_prompt_tokens); leave this item out or raise the limit"
            )
        try:
            for name in request.images:
                self._images.open(name)
        except (DataError, MissingObjectError) as error:
            return str(error)
        return None


class _Turn(NamedTuple):
    """What an answer depends on."""

    variables: dict[str, str]
    sight: Sight
    model: ScriptedModel
    rng: random.Random


def _write(request: Request, model: ScriptedModel, rng: random.Random) -> str:
    sight = Sight(request.images, request.variables["question"])
    turn = _Turn(request.variables, sight, model, rng)
    if request.purpose == "answer":
        return _answer(turn)
    if request.purpose == "compare":
        return (
            "Answer: no" if turn.variables["original"] == turn.variables["copy"] else "Answer: yes"
        )
    return _alter(turn) if request.purpose == "alter" else _judge(turn, request.verdict_endings)


def _sample(text: str, max_tokens: int) -> Sample:
    """Counts one token per word and one for the end, and truncates at the limit."""
    words = text.split(" ")
    if len(words) < max_tokens:
        return Sample(text=text, finish_reason="stop", tokens=len(words) + 1)
    return Sample(text=" ".join(words[:max_tokens]), finish_reason="length", tokens=max_tokens)


def _answer(turn: _Turn) -> str:
    kind = turn.variables["kind"]
    if not Kind(kind).is_open:
        return _see(turn, vocabulary(kind, turn.variables.get("choices", "").splitlines()))
    colour, shape, place = (_see(turn, words) for words in (COLOURS, SHAPES, PLACES))
    opening = turn.rng.choice(("there is", "I can see"))
    return f"{opening} a {colour} {shape} {place}"


def _see(turn: _Turn, words: Sequence[str]) -> str:
    """Returns the true word with the probability `answer_skill`, else another."""
    truth = turn.sight.best(words)
    if turn.rng.random() < turn.model.answer_skill:
        return truth
    return turn.rng.choice([word for word in words if word != truth])


def _alter(turn: _Turn) -> str:
    """Replaces one color, shape or place; if there is none, the last word."""
    words = turn.variables["answer"].split()
    if not words or turn.rng.random() < UNCHANGED_SHARE:
        return " ".join(words)
    places = [
        (index, kind)
        for index, word in enumerate(words)
        for kind in (COLOURS, SHAPES, PLACES)
        if word in kind
    ]
    index, kind = turn.rng.choice(places) if places else (len(words) - 1, COLOURS)
    words[index] = turn.rng.choice([word for word in kind if word != words[index]])
    return " ".join(words)


def _judge(turn: _Turn, endings: tuple[str, str] | None) -> str:
    answer_a, answer_b = turn.variables["answer_a"], turn.variables["answer_b"]
    worth_a, worth_b = turn.sight.worth(answer_a), turn.sight.worth(answer_b)
    unparsable = turn.rng.random() < UNPARSABLE_SHARE
    sees = turn.rng.random() < turn.model.skill
    says_first = turn.rng.random() < turn.model.first_bias
    if answer_a == answer_b:  # the same prompt in both orders, so the same verdict
        letter = "A" if turn.model.first_bias >= 0.5 else "B"
    elif sees and worth_a != worth_b:
        letter = "A" if worth_a > worth_b else "B"
    else:
        letter = "A" if says_first else "B"
    preferred = answer_a if letter == "A" else answer_b
    if unparsable:
        return "both answers have something to them"
    ending = (endings or ("\nVerdict: A", "\nVerdict: B"))[letter == "B"]
    if ending.startswith("\n"):
        return f'The picture fits "{preferred}" better.{ending}'
    return f"I see {preferred}{ending}"
