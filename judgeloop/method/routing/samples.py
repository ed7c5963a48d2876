"""Decides a question's kind by the base model's own answers, where its wording does not tell.

The paper does not say how it split its prompts (arXiv 2512.05145, Figure 1). What the base answers
to the bare question shows the form of the answer; no reference answer is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from judgeloop.method.markup import visible, without_control_tokens, without_thinking
from judgeloop.method.synthesis.numbers import read_number
from judgeloop.method.synthesis.phrases import is_no_answer, read_yes_no
from judgeloop.schema.records import Kind
from judgeloop.schema.requests import Sample

MOST_WORDS = 8
"""Words of a closed answer: "The man is riding a brown horse." is one."""
MOST_CHARACTERS = 80
"""The same for languages that do not separate words."""


def kind_of_samples(samples: Sequence[Sample]) -> Kind | None:
    """Returns the kind that most of a model's answers to a bare question have.

    A question is open where half or more of the readable answers are long; else it has the kind of
    more than half of the short ones, or is a short phrase.

    Args:
        samples: The answers.

    Returns:
        `long_answer`, `yes_no`, `number` or `short_phrase`; None where no answer can be read.
    """
    kinds = Counter(kind for sample in samples if (kind := _kind_of(sample)) is not None)
    if not kinds:
        return None
    if 2 * kinds[Kind.LONG_ANSWER] >= kinds.total():
        return Kind.LONG_ANSWER
    del kinds[Kind.LONG_ANSWER]
    kind, votes = kinds.most_common(1)[0]
    return kind if 2 * votes > kinds.total() else Kind.SHORT_PHRASE


def _kind_of(sample: Sample) -> Kind | None:
    if sample.finish_reason != "stop":
        return Kind.LONG_ANSWER
    said = without_thinking(visible(sample.text))
    text = "" if said is None else without_control_tokens(said).strip()
    if not text or is_no_answer(text):
        return None
    if len(text.split()) > MOST_WORDS or len(text) > MOST_CHARACTERS or "\n" in text:
        return Kind.LONG_ANSWER
    if read_yes_no(text) is not None:
        return Kind.YES_NO
    return Kind.NUMBER if read_number(text) is not None else Kind.SHORT_PHRASE
