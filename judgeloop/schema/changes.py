"""Changes to a configuration, as `--set section.key=value` gives them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from judgeloop.schema.errors import ConfigError
from judgeloop.schema.hints import QUOTES
from judgeloop.schema.yaml_tree import read_yaml

MAX_SHOWN = 200
"""Characters of a change that a message repeats."""
MAX_TRIES = 20
"""Candidate starts of the next change that are tried within one value; after these it is whole."""
_NEXT = re.compile(r"\s+(?=[A-Za-z_]\w*(?:\.\w+)*\s*=)")


def split_changes(texts: Iterable[str]) -> list[str]:
    """Splits texts that hold several changes with white space between.

    White space within a value separates nothing: a value is a whole YAML value, and the next change
    begins with a path and `=`.
    """
    return [change for text in texts for change in _split(text.strip())]


def apply_change(tree: dict[str, Any], change: str) -> str:
    """Applies one change to a tree, and returns the path that it sets.

    Raises:
        ConfigError: It has no value, its value is not YAML, or its path leads through a value.
    """
    path, separator, text = change.partition("=")
    shown = shown_change(change)
    if not separator:
        raise ConfigError(f"{shown}: write it as section.key=value")
    try:
        value = read_yaml(text, "the value")
    except yaml.YAMLError as error:
        advice = f"\n{QUOTES}" if "mapping values" in str(error) else ""
        raise ConfigError(f"{shown}: the value is not YAML: {error}{advice}") from error
    path = path.strip()
    *parents, last = path.split(".")
    node: Any = tree
    for name in parents:
        node = node.setdefault(name, {}) if isinstance(node, dict) else None
    if not isinstance(node, dict):
        raise ConfigError(f"{shown}: {'.'.join(parents)} is a value, not a section")
    node[last] = value
    return path


def shown_change(change: str) -> str:
    """Returns a change as the user wrote it, truncated if it is very long."""
    return f"--set {change if len(change) <= MAX_SHOWN else change[:MAX_SHOWN] + ' ...'}"


def _split(text: str) -> Iterator[str]:
    begin = tried = 0
    for found in _NEXT.finditer(text):
        first = text[begin : found.start()]
        tried += 1
        if tried <= MAX_TRIES and _is_whole(first.partition("=")[2]):
            yield first
            begin, tried = found.end(), 0
    yield text[begin:]


def _is_whole(value: str) -> bool:
    try:
        read_yaml(value, "the value")
    except yaml.YAMLError:
        return False
    return True
