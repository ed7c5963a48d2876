"""Questions about a scene, and, apart from them, their gold answers.

`make_question` builds a question's text; the loop calls nothing else. `gold_answer` is called
by pretraining (on pretraining scenes) and by the gold pairs (on evaluation scenes) only.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec

from judgeloop.tiny import formats
from judgeloop.tiny.scenes import COLOURS, PLACES, SHAPES, Scene, SceneObject

TOPICS = ("count", "colour", "shape", "place", "either", "choice")
"""Topics of closed questions."""

KINDS = {
    "caption": "caption",
    "count": "number",
    "colour": "short_phrase",
    "shape": "short_phrase",
    "place": "short_phrase",
    "either": "short_phrase",
    "choice": "multiple_choice",
}
"""The kind of question (as in the loop's records) of each topic."""


class SceneQuestion(msgspec.Struct, frozen=True):
    """A question about a scene, without its answer."""

    topic: str
    """`caption` or one of `TOPICS`."""
    text: str
    target: str
    """Which attribute answers it: `caption`, `count`, `colour`, `shape` or `place`."""
    subject: str
    """Its subject: a description that fits one object, or the objects that are counted."""
    choices: tuple[str, ...] | None = None

    @property
    def kind(self) -> str:
        """The kind of question in the loop's records."""
        return KINDS[self.topic]


CAPTION = SceneQuestion("caption", formats.CAPTION, "caption", "")


def make_question(scene: Scene, topic: str, rng: random.Random) -> SceneQuestion:
    """Builds a question of one topic about a scene."""
    if topic == "caption":
        return CAPTION
    if topic == "count":
        subject = rng.choice((rng.choice(COLOURS), rng.choice(SHAPES), _present(scene, rng), "all"))
        return SceneQuestion(topic, f"count {subject}", "count", subject)
    target = topic if topic in ("colour", "shape", "place") else rng.choice(TOPICS[1:4])
    subject, obj = _pick(scene, target, rng)
    text = f"{target} of {subject}"
    if topic in ("colour", "shape", "place"):
        return SceneQuestion(topic, text, target, subject)
    size = 2 if topic == "either" else 3
    shown = _shown(target, getattr(obj, target), size, rng)
    if topic == "either":
        return SceneQuestion(topic, f"{' or '.join(shown)} of {subject}", target, subject, None)
    lettered = " ".join(f"{x} {word}" for x, word in zip("abc", shown, strict=True))
    return SceneQuestion(topic, f"{text}: {lettered}", target, subject, shown)


def gold_answer(scene: Scene, question: SceneQuestion) -> str:
    """Returns the right answer; no other function derives it from a scene."""
    if question.target == "caption":
        return caption(scene.objects)
    if question.target == "count":
        return str(sum(question.subject in ("all", t.colour, t.shape) for t in scene.objects))
    (obj,) = [t for t in scene.objects if fits(t, question.subject)]
    return str(getattr(obj, question.target))


def caption(objects: Sequence[SceneObject]) -> str:
    """Lists objects in the order given, such as `red circle north, blue cross west`."""
    return ", ".join(obj.describe() for obj in objects)


def fits(obj: SceneObject, subject: str) -> bool:
    """Whether every word of a description holds for an object."""
    return set(subject.split()) <= {obj.colour, obj.shape, obj.place}


def domain(target: str) -> tuple[str, ...]:
    """All answers that a closed question with this target can have."""
    return {
        "count": ("0", "1", "2"),
        "colour": COLOURS,
        "shape": SHAPES,
        "place": PLACES,
    }[target]


def _pick(scene: Scene, target: str, rng: random.Random) -> tuple[str, SceneObject]:
    """Draws an object and a description of it that fits no other and leaves out the target."""
    obj = rng.choice(scene.objects)
    if target == "place":
        described = [obj.colour, obj.shape, f"{obj.colour} {obj.shape}"]
    else:
        described = [obj.place, obj.shape if target == "colour" else obj.colour]
    unique = [words for words in described if sum(fits(t, words) for t in scene.objects) == 1]
    return rng.choice(unique), obj


def _present(scene: Scene, rng: random.Random) -> str:
    obj = rng.choice(scene.objects)
    return rng.choice((obj.colour, obj.shape))


def _shown(target: str, right: str, size: int, rng: random.Random) -> tuple[str, ...]:
    others = rng.sample([word for word in domain(target) if word != right], size - 1)
    shown = [right, *others]
    rng.shuffle(shown)
    return tuple(shown)
