"""Prints untrusted text on a console: no markup, no secrets and no control characters."""

from __future__ import annotations

from rich.console import Console

from judgeloop.runtime.redaction import shown


def print_plain(console: Console, text: str) -> None:
    """Prints text without markup, colors or added line breaks, and with secrets redacted."""
    console.print(shown(text), markup=False, highlight=False, soft_wrap=True)
