"""The prompt texts of the tiny world: one definition for pretraining and for the loop.

A prompt is the text of the single user message, after the image. Answers are the assistant's text.
"""

from __future__ import annotations

from collections.abc import Sequence

LETTERS = ("A", "B", "C", "D")
"""Letters of options; a judge knows the first two."""

CAPTION = "caption"
"""The one open question: the answer lists the objects in reading order."""

ERRORS = (
    *("first colour", "last colour"),
    *("first shape", "last shape"),
    *("first place", "last place"),
    "count",
)
"""Errors that the base can plant in a caption when asked: an attribute of the first or last object,
or an object left out or added."""


def options(answers: Sequence[str]) -> str:
    """Lists answers, each after its letter: `A red circle north B red cross north`."""
    return " ".join(f"{letter} {answer}" for letter, answer in zip(LETTERS, answers, strict=False))


def judge(question: str, answer_a: str, answer_b: str) -> str:
    """The judge's prompt; it answers `I see <own answer> A` or `... B`."""
    return f"judge: {question} {options((answer_a, answer_b))}"


def choose(question: str, answers: Sequence[str]) -> str:
    """Asks which of two to four options is right; the answer is `I see <option> <letter>`."""
    return f"choose: {question} {options(answers)}"


def seen(answer: str, letter: str) -> str:
    """The answer to `judge` and `choose`: what is seen, then the letter as the last word."""
    return f"I see {answer} {letter}"


def alter(error: str, caption: str) -> str:
    """Asks for a copy of a caption with exactly one planted error, one of `ERRORS`."""
    return f"alter {error}: {caption}"
