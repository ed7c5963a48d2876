"""The model that the scripted engine simulates, and the truth that it sees in images."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from judgeloop.models.local import LocalModel
from judgeloop.schema.engine_section import SCRIPTED
from judgeloop.schema.errors import ConfigError, EngineError
from judgeloop.schema.records import Kind

ADAPTER_FILE = "scripted_adapter.json"

COLOURS = ("red", "green", "blue", "yellow", "purple", "grey")
SHAPES = ("circle", "square", "triangle", "cross", "star")
PLACES = ("left", "right", "top", "bottom", "middle")
_NUMBERS = ("0", "1", "2", "3", "4", "5")
_LETTERS = "ABCDEFGH"


class ScriptedModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How well the scripted model sees and judges; all are probabilities."""

    skill: float = 0.1
    """Probability that a judgement follows the truth."""
    gain: float = 0.5
    """Share of the missing skill that one training gives."""
    first_bias: float = 0.9
    """Probability that a judgement which does not follow the truth says A."""
    answer_skill: float = 0.8
    """Probability that an answer is the true one."""

    def __post_init__(self) -> None:
        """Refuses values that are not probabilities."""
        for name in self.__struct_fields__:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in 0..1")


class ScriptedAdapter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The result of training a scripted model."""

    skill: float
    examples: int
    examples_sha256: str
    """Hash over all example lines, so that other examples give another adapter."""


def read_base(base: str) -> ScriptedModel:
    """Reads a model name such as `scripted:skill=0.1,gain=0.5`.

    Raises:
        ConfigError: An unknown key, or a value that is not a probability.
    """
    known = ScriptedModel.__struct_fields__
    values = {}
    for setting in filter(None, base.removeprefix(SCRIPTED).split(",")):
        key, _, value = setting.partition("=")
        if key.strip() not in known:
            raise ConfigError(
                f"model.base {base}: unknown setting `{key.strip()}`; known: {', '.join(known)}"
            )
        values[key.strip()] = value.strip()
    try:
        return msgspec.convert(values, ScriptedModel, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"model.base {base}: {error}") from error


def load_scripted(model: LocalModel) -> ScriptedModel:
    """Reads a scripted model with its adapter, whose skill replaces the base's.

    Raises:
        ConfigError: The base's name is wrong.
        EngineError: The adapter is not a scripted adapter.
    """
    base = read_base(model.base)
    if model.adapter is None:
        return base
    return msgspec.structs.replace(base, skill=read_adapter(model.adapter).skill)


def read_adapter(folder: Path) -> ScriptedAdapter:
    """Reads the adapter in a folder.

    Raises:
        EngineError: There is none, or it cannot be read.
    """
    path = folder / ADAPTER_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=ScriptedAdapter)
    except (OSError, msgspec.MsgspecError) as error:
        raise EngineError(
            f"{path} is not a scripted adapter ({error}); train one with training.kind `scripted`"
        ) from error


class Sight:
    """What a scripted model sees in images that matters for one question.

    Every word has a fixed worth, derived from the hash of the images and the question alone. The
    best word of a kind is the truth; gold files are not used.

    Args:
        images: Content hashes of the images.
        question: The question's text.
    """

    def __init__(self, images: Sequence[str], question: str) -> None:
        self._scene = "\n".join([*images, question])

    def worth(self, text: str) -> float:
        """Returns how true a text is, in 0..1: the mean worth of its words (0 without words)."""
        words = re.findall(r"\w+", text.lower())
        return sum(map(self._word, words)) / len(words) if words else 0.0

    def best(self, words: Sequence[str]) -> str:
        """Returns the true one of some words."""
        return max(words, key=self.worth)

    def _word(self, word: str) -> float:
        digest = hashlib.sha256(f"{self._scene}\n{word}".encode()).digest()
        return int.from_bytes(digest[:7], "big") / 2**56


def vocabulary(kind: str, choices: Sequence[str]) -> tuple[str, ...]:
    """Returns all answers to a closed question of a kind."""
    if kind == Kind.NUMBER:
        return _NUMBERS
    if kind == Kind.YES_NO:
        return ("yes", "no")
    if kind == Kind.MULTIPLE_CHOICE:
        return tuple(_LETTERS[: max(2, min(len(choices), len(_LETTERS)))])
    return COLOURS
