"""The kind of a question of a data set: stated, by its subset, or by its wording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from judgeloop.method.routing.form import route
from judgeloop.schema.records import Kind


class FoundKind(NamedTuple):
    """The kind of a question as far as it is known without a model."""

    kind: Kind
    choices: tuple[str, ...] | None
    """Options found in the text of a multiple-choice question."""
    unsure: bool
    """Whether only the wording gave the kind, and does not show the form of the answer."""


def find_kind(text: str, stated: Kind | None, source: str, kinds: Mapping[str, Kind]) -> FoundKind:
    """Returns a question's kind: what the row states, else its subset's, else by the wording.

    Args:
        text: The question as it is asked.
        stated: The row's own field.
        source: The row's subset.
        kinds: Of subsets, by name (`data.kinds`).
    """
    routed = route(text)
    known = stated or kinds.get(source)
    kind = known or routed.kind
    choices = routed.choices if kind is Kind.MULTIPLE_CHOICE else None
    return FoundKind(kind, choices, known is None and not routed.sure)


def has_options(found: FoundKind, choices: Sequence[str] | None) -> bool:
    """Says whether a closed question has options, in a field of its own or in its text."""
    return not found.kind.is_open and len(choices or found.choices or ()) > 1
