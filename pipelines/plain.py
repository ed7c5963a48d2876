"""Text on a console: what comes from a server or a file is no style, no secret and no command."""

from __future__ import annotations

from rich.console import Console

from judgeloop.runtime.redaction import shown


def print_plain(console: Console, text: str) -> None:
    """Prints text without markup, colours or line breaks of our own, secrets redacted."""
    console.print(shown(text), markup=False, highlight=False, soft_wrap=True)
