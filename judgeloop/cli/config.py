"""`judgeloop config show`: the whole configuration, and where each value comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec
import yaml

from judgeloop.cli import options
from judgeloop.cli.command import command
from judgeloop.schema.config import resolve_config

DEFAULT = "default"
_COLUMN = 44
"""Column in which the origins begin."""


@command(
    "show",
    "judgeloop config show tiny",
    "judgeloop config show my.yaml --set loop.iterations=2 > whole.yaml",
)
@click.argument("file", metavar="FILE-or-PRESET", type=options.FILE)
@options.changes
@options.as_json
def show(file: Path, changes: Sequence[str], as_json: bool) -> str:
    """Print the whole configuration, each value with the file, preset or --set that gives it.

    Raises:
        ConfigError: The configuration is wrong.
    """
    found, origins = resolve_config(file, changes)
    if as_json:
        return found.to_json()
    return "\n".join(_lines(msgspec.to_builtins(found), origins))


config = click.Group("config", commands=[show], help="Look at a configuration.")


def _lines(tree: Mapping[str, Any], origins: Mapping[str, str], prefix: str = "") -> Iterator[str]:
    indent = "  " * prefix.count(".")
    for key, value in tree.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            yield f"{indent}{key}:"
            yield from _lines(value, origins, f"{path}.")
        else:
            yield f"{f'{indent}{key}: {_flow(value)}':<{_COLUMN}} # {_origin(path, origins)}"


def _flow(value: object) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6)
    return text.removesuffix("\n").removesuffix("\n...")


def _origin(path: str, origins: Mapping[str, str]) -> str:
    """Returns the origin of a value, which may have set the whole section."""
    while path not in origins and "." in path:
        path = path.rpartition(".")[0]
    return origins.get(path, DEFAULT)
