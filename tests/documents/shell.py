"""The shell commands and Python examples of README and docs/, in the order of the text."""

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from tests.conftest import REPOSITORY

PAGES = (
    "README.md",
    "docs/quickstart.md",
    "docs/data.md",
    "docs/judge.md",
    "docs/inference.md",
    "docs/evaluation.md",
    "docs/gpu.md",
)
"""Pages with much to type, in the order in which a newcomer reads them; the others follow."""
MADE = "docs/bad-input.md"
"""Holds messages, and the test that provokes them writes it."""

_PROGRAMS = (
    r"(\.venv/bin/\w+|make|judgeloop|python3?|pytest|pip|uv|git|kubectl|podman|docker|curl|jq|"
    r"sqlite3|tar|bash|export|cd)"
)
_COMMAND = re.compile(rf"(?!.* / )(\$ )?([A-Z_]+=\S+ )*{_PROGRAMS} ")
_FENCE = re.compile(r"^ *```[^\n]*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_PARTS = re.compile(
    r"^ *```[^\n]*\n(?P<block>.*?)^ *```$|`(?P<span>[^`\n]+)`", re.MULTILINE | re.DOTALL
)
_PYTHON = re.compile(r"(import|from) \w+")


class Shown(NamedTuple):
    """One command or example, as a page shows it."""

    page: str
    text: str
    python: bool = False
    mention: bool = False
    """Whether it is the bare name of a target or a sub-command within a sentence."""


def shown_on(page: str, text: str) -> Iterator[Shown]:
    """Yields the commands of a Markdown text; a continued line is one command."""
    for part in _PARTS.finditer(text):
        block, span = part["block"], part["span"]
        if block is None:
            if _COMMAND.match(span):
                yield Shown(page, span, mention=len(span.split()) < 3)
        elif _PYTHON.match(block):
            yield Shown(page, block, python=True)
        else:
            for line in re.sub(r"\\\n\s*", "", block).splitlines():
                if _COMMAND.match(line.strip()):
                    yield Shown(page, _plain(line))


def _plain(line: str) -> str:
    """A command without its prompt and the comment after it."""
    return re.sub(r" {2,}#.*", "", line.strip().removeprefix("$ ")).strip()


@cache
def everything_shown() -> tuple[Shown, ...]:
    """All pages' commands: those of `PAGES` first."""
    others = sorted(f"docs/{path.name}" for path in (REPOSITORY / "docs").glob("*.md"))
    pages = [*PAGES, *(page for page in others if page not in (*PAGES, MADE))]
    return tuple(
        found for page in pages for found in shown_on(page, (REPOSITORY / page).read_text())
    )


def blocks(page: str, beginning: str) -> list[str]:
    """The code blocks of a page that begin with a text, without their common indent."""
    found = _FENCE.findall((REPOSITORY / page).read_text())
    return [
        re.sub(r"^  ", "", block, flags=re.MULTILINE) if block.startswith("  ") else block
        for block in found
        if block.lstrip().startswith(beginning)
    ]
