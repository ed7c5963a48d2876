"""Hints on how to correct a wrong configuration value, appended to the error message."""

from __future__ import annotations

import enum
import re
import typing
from typing import Any

import msgspec

QUOTES = "put text in quotes, as in \"model.base='scripted:'\""
_TYPES = {
    "object": "a mapping", "array": "a list", "int": "a number", "float": "a number",
    "bool": "true or false",
}  # fmt: skip
"""Types that YAML reads, by msgspec's name for them."""


def hint(message: str, kind: type) -> str:
    """Returns a hint on what to write instead, with its leading separator; empty if there is none.

    Args:
        message: Of msgspec, with the key's path.
        kind: The section that was being decoded.
    """
    return _known_values(message, kind) or _other_type(message)


def section_type(annotation: Any) -> type | None:
    """Returns the section that a field holds, also where it may be null; None for another value."""
    for candidate in (annotation, *typing.get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, msgspec.Struct):
            return candidate
    return None


def _known_values(message: str, kind: type) -> str:
    """Lists the allowed values of an enumerated field, where the message is about one."""
    found = re.search(r"^Invalid enum value .* at (`key` in )?`([\w.]+)(\[\.\.\.\])?`$", message)
    if not found:
        return ""
    annotation: Any = kind
    for name in found[2].split("."):
        section = section_type(annotation)
        members = msgspec.structs.fields(section) if section else ()
        annotation = {member.name: member.type for member in members}.get(name)
    if found[1] or found[3]:  # of a mapping: its keys, or its values
        annotation = (*typing.get_args(annotation), None, None)[0 if found[1] else 1]
    values = _values(annotation)
    return f"; known: {', '.join(values)}" if values else ""


def _values(annotation: Any) -> list[str]:
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return [str(member.value) for member in annotation]
    return [value for value in typing.get_args(annotation) if isinstance(value, str)]


def _other_type(message: str) -> str:
    """Says how to write a value that YAML reads as another type."""
    found = re.match(r"Expected `([^`]+)`, got `(\w+)`", message)
    if not found:
        return ""
    wanted, got = found[1].split(" | ")[0], found[2]
    if wanted == "str" and got in _TYPES:
        return f"; YAML reads {_TYPES[got]} here: {QUOTES}"
    if wanted == "array" and got == "str":
        return "; a list has brackets, as in [a, b]"
    return ""
