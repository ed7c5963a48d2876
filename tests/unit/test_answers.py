"""How the final answer of a closed question is counted."""

import pytest

from judgeloop.method.synthesis.answers import normalise
from judgeloop.schema.records import Kind, Question

CHOICES = ("a red bicycle", "A blue car", "nothing")

CASES = [
    (Kind.MULTIPLE_CHOICE, "Answer: B", "B"),
    (Kind.MULTIPLE_CHOICE, "I think so.\n**Answer: (C)**", "C"),
    (Kind.MULTIPLE_CHOICE, "B", "B"),
    (Kind.MULTIPLE_CHOICE, "B.", "B"),
    (Kind.MULTIPLE_CHOICE, "(B) A blue car", "B"),
    (Kind.MULTIPLE_CHOICE, "option B", "B"),
    (Kind.MULTIPLE_CHOICE, "It is A, or maybe not.\nAnswer: C", "C"),
    (Kind.MULTIPLE_CHOICE, "a blue car", "B"),
    (Kind.MULTIPLE_CHOICE, "The answer is B", "B"),
    (Kind.MULTIPLE_CHOICE, "A blue car", "B"),  # the article is no letter
    (Kind.MULTIPLE_CHOICE, "D", None),  # there are three options
    (Kind.MULTIPLE_CHOICE, "I can't tell", None),
    (Kind.NUMBER, "3", "3"),
    (Kind.NUMBER, "There are three apples.", "3"),
    (Kind.NUMBER, "Answer: 1,200", "1200"),
    (Kind.NUMBER, "Answer: 3.0 cm", "3"),
    (Kind.NUMBER, "Answer: -2.5", "-2.5"),
    (Kind.NUMBER, "2 + 2 = 4\nAnswer: 4", "4"),
    (Kind.MULTIPLE_CHOICE, "Answer: A or B", None),
    (Kind.MULTIPLE_CHOICE, "Answer: A, B", None),
    (Kind.MULTIPLE_CHOICE, "Neither A nor B", None),
    (Kind.MULTIPLE_CHOICE, "not B", None),
    (Kind.MULTIPLE_CHOICE, "B. A red bicycle", None),  # letter and text disagree
    (Kind.NUMBER, "2 or 3", None),
    (Kind.NUMBER, "twenty one", None),
    (Kind.NUMBER, "two hundred", None),
    (Kind.NUMBER, "two and a half", None),
    (Kind.NUMBER, "9" * 400, "9" * 400),
    (Kind.NUMBER, "007", "7"),
    (Kind.NUMBER, "-0.50", "-0.5"),
    (Kind.NUMBER, "many", None),
    (Kind.YES_NO, "Yes, it is.", "yes"),
    (Kind.YES_NO, "Answer: NO", "no"),
    (Kind.YES_NO, "yes and no", None),
    (Kind.YES_NO, "nobody knows", None),
    (Kind.YES_NO, "not yes", None),
    (Kind.YES_NO, "The answer isn't no", None),
    (Kind.YES_NO, "Yes. No.", None),
    (Kind.SHORT_PHRASE, "Answer: The red bicycle.", "red bicycle"),
    (Kind.SHORT_PHRASE, "a  Red\tbicycle", "red bicycle"),
    (Kind.SHORT_PHRASE, "...", None),
    (Kind.SHORT_PHRASE, "", None),
]


@pytest.mark.parametrize(("kind", "text", "expected"), CASES)
def test_an_answer_is_counted_in_the_form_of_its_kind(
    kind: Kind, text: str, expected: str | None
) -> None:
    choices = CHOICES if kind is Kind.MULTIPLE_CHOICE else None
    question = Question(id="q", images=("0",), text="?", kind=kind, choices=choices)
    assert normalise(text, question) == expected
