"""The pretraining data of the tiny base: single turns about scenes of the pretraining split.

The base learns to see (captions, closed questions), to plant one mistake in a caption, to choose
among lettered options and to answer in a judge's format. It never learns to judge: in a judge turn
the letter is drawn at random, A with probability `FIRST_BIAS`, whatever is true, and half of these
turns show two wrong answers.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec

from judgeloop.tiny import formats
from judgeloop.tiny.mistakes import plant_mistake, wrong_answer
from judgeloop.tiny.questions import (
    CAPTION,
    TOPICS,
    SceneQuestion,
    caption,
    domain,
    gold_answer,
    make_question,
)
from judgeloop.tiny.scenes import COLOURS, PLACES, SHAPES, Scene, SceneObject, Split, sample_from

FIRST_BIAS = 0.7
"""Probability of A in a judge turn of the pretraining."""

PICTURE_SHARES = {"caption": 0.10, "closed": 0.38, "alter": 0.12, "judge": 0.08, "choose": 0.32}
"""Shares of the turns about a picture."""
TEXT_SHARES = {"match": 0.8, "alter": 0.2}
"""Shares of the turns without a picture."""

LISTS = 0.4
"""Share of the matching turns whose options are lists of words: they train all distances."""
WORDS = (*COLOURS, *SHAPES, *PLACES)
"""Words of captions; a cell of a picture stands for some of them."""
DISTRACTORS = {error: 1.0 for error in formats.ERRORS} | {"last colour": 2.0, "last shape": 2.0}
"""Weights of the mistakes in wrong captions among options. Words far from any letter are learned
late, so they occur more often."""


class Turn(msgspec.Struct, frozen=True):
    """One question and its answer; the loss covers `answer`, and not `given` before it."""

    prompt: str
    given: str
    answer: str


def picture_turn(scene: Scene, rng: random.Random) -> Turn:
    """Draws a turn about a pretraining scene's picture."""
    task = _draw(PICTURE_SHARES, rng)
    if task == "alter":
        return alter_turn(rng)
    if task == "caption":
        question = CAPTION
    elif task == "closed":
        question = make_question(scene, rng.choice(TOPICS), rng)
    else:
        question = make_question(
            scene, "caption" if rng.random() < 0.6 else rng.choice(TOPICS), rng
        )
    right = gold_answer(scene, question)
    if task == "choose":
        return choose_turn(scene, question, right, rng)
    if task == "judge":
        return judge_turn(scene, question, right, rng)
    return Turn(question.text, "", right)


def text_turn(rng: random.Random) -> Turn:
    """Draws a turn that needs no picture."""
    return alter_turn(rng) if _draw(TEXT_SHARES, rng) == "alter" else match_turn(rng)


def alter_turn(rng: random.Random) -> Turn:
    """A copy of some scene's caption with one planted mistake of the kind asked for."""
    objects = sample_from(Split.PRETRAINING, rng).objects
    error = rng.choice(formats.ERRORS)
    return Turn(
        formats.alter(error, caption(objects)), "", caption(plant_mistake(objects, error, rng))
    )


def choose_turn(scene: Scene, question: SceneQuestion, right: str, rng: random.Random) -> Turn:
    """Two to four options, one of them right; the answer names it and its letter."""
    shown = _options(scene, question, right, rng)
    letter = formats.LETTERS[shown.index(right)]
    return Turn(formats.choose(question.text, shown), "", formats.seen(right, letter))


def judge_turn(scene: Scene, question: SceneQuestion, right: str, rng: random.Random) -> Turn:
    """The judge's format, with a verdict that is drawn independently of the truth."""
    wrong = [_wrong(scene, question, right, rng), _wrong(scene, question, right, rng)]
    shown = wrong if rng.random() < 0.5 else rng.sample((right, wrong[0]), 2)
    letter = "A" if rng.random() < FIRST_BIAS else "B"
    return Turn(formats.judge(question.text, *shown), "", formats.seen(right, letter))


def match_turn(rng: random.Random) -> Turn:
    """States one of the lettered options as seen; the answer is its letter alone."""
    if rng.random() < LISTS:
        return _list_turn(rng)
    scene = sample_from(Split.PRETRAINING, rng)
    question = make_question(scene, rng.choice(("caption", "caption", "caption", *TOPICS)), rng)
    right = gold_answer(scene, question)
    shown = _options(scene, question, right, rng)
    letter = formats.LETTERS[shown.index(right)]
    return Turn(formats.choose(question.text, shown), f"I see {right}", letter)


def _list_turn(rng: random.Random) -> Turn:
    """Options are lists of one to six words that differ in one word, wherever it stands."""
    first = rng.choices(WORDS, k=rng.randint(1, 6))
    second, index = list(first), rng.randrange(len(first))
    second[index] = rng.choice([word for word in WORDS if word != first[index]])
    comma = rng.randrange(2 * len(first))
    shown = [
        " ".join(word + "," * (place == comma) for place, word in enumerate(words))
        for words in (first, second)
    ]
    letter = rng.choice(formats.LETTERS[:2])
    right = shown[formats.LETTERS.index(letter)]
    return Turn(formats.choose(formats.CAPTION, shown), f"I see {right}", letter)


def _options(scene: Scene, question: SceneQuestion, right: str, rng: random.Random) -> list[str]:
    """The right answer among wrong ones, all different, in random order."""
    if question.topic in ("caption", "choice"):
        most = 3
    elif question.topic == "either":
        most = 2
    else:
        most = min(4, len(domain(question.target)))
    count = rng.randint(2, most) if rng.random() < 0.5 else 2
    shown = {right: None}
    while len(shown) < count:
        shown[_wrong(scene, question, right, rng)] = None
    options = list(shown)
    rng.shuffle(options)
    return options


def _wrong(scene: Scene, question: SceneQuestion, right: str, rng: random.Random) -> str:
    if question.topic != "caption":
        return wrong_answer(scene, question, right, rng)
    if rng.random() < 0.8:
        return caption(plant_mistake(scene.objects, _draw(DISTRACTORS, rng), rng))
    return caption(_other(scene.objects, rng))


def _other(objects: Sequence[SceneObject], rng: random.Random) -> tuple[SceneObject, ...]:
    while (other := sample_from(Split.PRETRAINING, rng).objects) == tuple(objects):
        pass
    return other


def _draw(shares: dict[str, float], rng: random.Random) -> str:
    return rng.choices(list(shares), list(shares.values()))[0]
