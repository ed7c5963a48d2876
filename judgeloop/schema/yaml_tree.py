"""Reads YAML into plain trees of texts, numbers, lists and mappings, and nothing else.

PyYAML reads YAML 1.1, in which `5e-5` is a text, `1:30` is 90, `010` is 8 and `2026-02-30` raises.
Here numbers are those of YAML 1.2, except with leading zeros, which are ambiguous: `010` is a text,
and so is a date. Aliases are refused, since a few lines with them can expand to gigabytes. Whatever
cannot be read is a `YAMLError`.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

_INT = re.compile(r"[-+]?(?:0|[1-9][0-9_]*)|0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9][0-9_]*\.[0-9_]*)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_DATE = "tag:yaml.org,2002:timestamp"


class _Loader(yaml.SafeLoader):
    """Refuses what YAML would read silently: the same key twice, and keys that are no text."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Refuses aliases, and what is nested so deeply that reading it takes seconds."""
        if self.depth >= MAX_DEPTH:
            raise RecursionError
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(
                None, None, "an alias (`*name`) is not read here: write the value itself",
                self.get_mark(),
            )  # fmt: skip
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be a text, not a list or a mapping", key.start_mark
                )
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key `{key.value}` occurs twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        text = super().construct_scalar(node)
        if isinstance(text, str) and any("\ud800" <= char <= "\udfff" for char in text):
            raise yaml.constructor.ConstructorError(
                None, None, "a text holds half a surrogate pair", node.start_mark
            )
        return text


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in (*_NUMBERS, _DATE)]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _tag, _pattern in zip(_NUMBERS, (_INT, _FLOAT), strict=True):
    _whole = re.compile(rf"^(?:{_pattern.pattern})$")
    _Loader.add_implicit_resolver(_tag, _whole, list("-+.0123456789"))


MAX_CHARACTERS = 200_000
"""More than any configuration has; PyYAML reads about a hundred thousand per second."""

MAX_DEPTH = 50


def read_yaml(text: str, name: str) -> Any:
    """Returns what a YAML text holds.

    Args:
        text: The text.
        name: Its place, for messages.

    Raises:
        yaml.YAMLError: It is no YAML, holds a key twice or one that is no text, is nested too
            deeply, is too long, has an alias, or a value that is not of its tag, such as
            `!!int foo`.
    """
    if len(text) > MAX_CHARACTERS:
        raise yaml.YAMLError(f"it has more than {MAX_CHARACTERS:,} characters")
    try:
        loader = _Loader(text)
        loader.name = name
        return loader.get_single_data()
    except RecursionError as error:
        raise yaml.YAMLError("it is nested too deeply") from error
    except yaml.YAMLError:
        raise
    except Exception as error:  # its constructors raise whatever Python's own do
        raise yaml.YAMLError(f"a value cannot be read: {error}") from error
