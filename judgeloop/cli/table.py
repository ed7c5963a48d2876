"""Tables on a terminal."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

_WIDTH = 10_000
"""Width at which no cell is truncated or wrapped, since a pipe has no width."""


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns lines of columns: the first one left-aligned, the others right-aligned."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=None)
    for number, name in enumerate(header):
        made.add_column(name, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        made.add_row(*row)
    console = Console(
        file=io.StringIO(), width=_WIDTH, color_system=None, markup=False, emoji=False,
        highlight=False,
    )  # fmt: skip
    with console.capture() as capture:
        console.print(made)
    return [line.rstrip() for line in capture.get().splitlines()]
