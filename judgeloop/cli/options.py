"""Options and arguments that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from judgeloop.schema.home import expand_home
from judgeloop.schema.local_path import why_no_path

Declared = TypeVar("Declared", bound=Callable[..., Any])
Declare = Callable[[Declared], Declared]

FILE = click.Path(path_type=Path)
"""A path that the command itself reads."""
POSITIVE = click.IntRange(min=1)


class LocalPath(click.ParamType[Path]):
    """A path on this machine; `~` is the user's home."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Refuses an address and a path of another machine."""
        if not str(value).strip() or "\0" in str(value):
            self.fail(f"{value!r} names nothing, give a path on this machine", param, ctx)
        if (why := why_no_path(str(value))) is not None:
            self.fail(f"{str(value)!r} {why}", param, ctx)
        return expand_home(value)


LOCAL_PATH = LocalPath()

target = click.argument("target", metavar="DIR-or-URI")
"""A run's folder, a store's folder or a store's URI, as `judgeloop.ops.target` reads it."""
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
config = click.option(
    "--config", type=FILE, required=True, help="A YAML configuration, or a preset."
)
changes = click.option(
    "--set", "changes", multiple=True, metavar="SECTION.KEY=VALUE",
    help="Change one value of the configuration; may be given again.",
)  # fmt: skip
loop_id = click.option(
    "--loop-id", metavar="ID", help="Loop to start or resume.  [default: from the configuration]"
)


def together(*declarations: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Combines decorators into one; the first one's option comes first in the help."""

    def declare(function: Any) -> Any:
        for each in reversed(declarations):
            function = each(function)
        return function

    return declare


sampling = together(
    click.option("--samples", type=POSITIVE, default=1, help="Judgements per order."),
    click.option(
        "--temperature", type=float, default=0.0, help="0 gives the most likely judgement."
    ),
    click.option("--max-tokens", type=POSITIVE, help="[default: what the prompts need]"),
)
"""How judgements are sampled."""
