"""Reads a verdict from a judge's text: the only place for the project's own and users' prompts.

`own_words` removes what the judge does not say itself (thinking, quotations); `statements` finds
the sentences that decide. Nothing is assumed about an unclear text: it is UNDECIDED with one of
these reasons.

| reason | when |
| --- | --- |
| `truncated` | generation ended before the model did: a limit, a filter, an abort |
| `empty` | there is no text |
| `unfinished_thinking` | a block of thinking was opened and never closed |
| `no_verdict` | no sentence of the judge's own decides, or a later one retracts it |
| `two_verdicts` | the judge decides for both answers |
| `engine_error` | the engine gave no text (see the judgement's text for the message) |
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from judgeloop.method.judging.labels import Labels
from judgeloop.method.judging.own_words import own_words
from judgeloop.method.judging.statements import Stated, decided_side
from judgeloop.schema.records import Choice, Verdict

UNFINISHED = frozenset(
    {"abort", "content_filter", "error", "incomplete", "length", "max_output_tokens", "max_tokens"}
    | {"model_length", "recitation", "safety"}
)
"""Finish reasons, in lower case, of a text that was cut off."""
_SEEN = re.compile(r"I see (.+) ([AB])")
_NEGATION = re.compile(r"\b(?:no|not|nor|neither|never|or)\b", re.IGNORECASE)
_LETTER = re.compile(r"(?<!\S)[AB](?!\S)")


def parse_verdict(
    text: str, finish_reason: str | None = "stop", labels: Sequence[str] = ("A", "B")
) -> Verdict:
    r"""Reads which of two answers a judge's text prefers.

    A verdict line (`Verdict: A`, also in bold, fenced, in a table, as `[[A]]`, `\boxed{A}` or JSON)
    counts before a sentence such as "Answer A is better than Answer B". A verdict in a closed block
    of thinking or in a quotation is not read. Time grows linearly with the text.

    Args:
        text: What the judge wrote.
        finish_reason: Why generation ended, as the engine or service says; `length` and the like
            mean that the text is cut off.
        labels: The names of the first and the second answer in the prompt, such as `("A", "B")` or
            `("Response 1", "Response 2")`. Nouns such as "answer" may come before a label.

    Returns:
        `Choice.A` for the first label, `Choice.B` for the second, `Choice.UNDECIDED` with a reason.

    Raises:
        ValueError: The labels are not two different names.
    """
    names = Labels.of(tuple(labels))
    if (reason := _unreadable(text, finish_reason)) is not None:
        return undecided(reason)
    words = own_words(text, names)
    if words is None:
        return undecided("unfinished_thinking")
    stated = decided_side(words, names)
    if isinstance(stated, Stated):
        return undecided(stated)
    return Verdict(choice=(Choice.A, Choice.B)[stated])


def parse_tiny_verdict(text: str, finish_reason: str | None = "stop") -> Verdict:
    """Reads a judgement of the tiny world's model: `I see <answer> A` or `I see <answer> B`.

    Nothing else is a verdict: no other letter, negation or line may be in the text.
    """
    if (reason := _unreadable(text, finish_reason)) is not None:
        return undecided(reason)
    if len(set(_LETTER.findall(text))) > 1:
        return undecided("two_verdicts")
    match = _SEEN.fullmatch(text.strip())
    if match is None or _NEGATION.search(match[1]):
        return undecided("no_verdict")
    return Verdict(choice=Choice(match[2]))


def undecided(reason: str) -> Verdict:
    """Makes an undecided verdict."""
    return Verdict(choice=Choice.UNDECIDED, reason=reason)


def _unreadable(text: str, finish_reason: str | None) -> str | None:
    if finish_reason and finish_reason.lower() in UNFINISHED:
        return "truncated"
    return None if text.strip() else "empty"
