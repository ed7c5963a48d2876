"""The command line: one module a command, of which `add` declares it and `run` runs it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from judgeloop import __version__
from judgeloop.cli import (
    clean,
    compare,
    convert,
    doctor,
    judge,
    plan,
    promote,
    route,
    score,
    status,
    verdict,
)
from judgeloop.runtime.log_level import log_level
from judgeloop.runtime.redaction import hide_secrets, shown
from judgeloop.schema.errors import JudgeLoopError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit code (see `judgeloop.schema.errors`)."""
    options = _parser().parse_args(arguments)
    # Its remarks on model files of others are nothing that a user of a judge can act on.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    try:
        hide_secrets("%(levelname)s:%(name)s:%(message)s", log_level("WARNING"))
        text = options.run(options)
    except JudgeLoopError as error:
        sys.stderr.write(shown(f"judgeloop {options.command}: {error}") + "\n")
        return error.exit_code
    sys.stdout.write(shown(text) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="judgeloop", description="A self-improving judge of vision-language models."
    )
    parser.add_argument("--version", action="version", version=f"judgeloop {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in (
        verdict,
        judge,
        score,
        compare,
        promote,
        status,
        clean,
        doctor,
        route,
        plan,
        convert,
    ):
        command.add(commands)
    return parser
