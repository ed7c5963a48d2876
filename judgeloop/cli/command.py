"""How a command is declared, and the name under which a user calls this program."""

from __future__ import annotations

import inspect
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

_SECTIONS = ("Raises:", "Args:", "Returns:")
"""Sections of a docstring that are left out of the help."""


def command(name: str, *examples: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Declares a command from a function: its docstring is the help, its parameters the options.

    Args:
        name: The command's name.
        examples: Whole command lines, shown at the end of the help.
    """

    def declare(function: Callable[..., Any]) -> click.Command:
        said = inspect.cleandoc(function.__doc__ or "")
        for section in _SECTIONS:
            said = said.partition(f"\n\n{section}")[0]
        lines = "".join(f"\n  {example}" for example in examples)
        return click.command(name, help=said, epilog=f"\b\nExamples:{lines}")(function)

    return declare


def program() -> str:
    """Returns the shell command that calls `judgeloop` from the current folder."""
    script = Path(sys.executable).with_name("judgeloop")
    first, more = (script, []) if script.is_file() else (Path(sys.executable), ["-m", "judgeloop"])
    if shutil.which(first.name) == str(first):
        first = Path(first.name)
    elif first.is_relative_to(Path.cwd()):
        first = first.relative_to(Path.cwd())
    return shlex.join([str(first), *more])


def command_line(arguments: Sequence[str]) -> str:
    """Returns a whole command line that can be pasted into a shell in the current folder."""
    return f"{program()} {shlex.join(arguments)}"
