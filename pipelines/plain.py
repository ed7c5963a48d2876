"""Text on a console as it is: what comes from a server or a file is never taken for a style."""

from __future__ import annotations

from rich.console import Console


def print_plain(console: Console, text: str) -> None:
    """Prints text without markup, colours or line breaks of our own."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)
