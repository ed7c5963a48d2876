"""Escapes untrusted text for Markdown."""

from __future__ import annotations


def markdown_cell(text: object) -> str:
    """Escapes a text for a cell of a Markdown table: no markup of its own, one line."""
    line = " ".join(str(text).split())
    for char, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        line = line.replace(char, safe)
    return "".join(f"\\{char}" if char in "\\`*_[]|#!$~" else char for char in line)
