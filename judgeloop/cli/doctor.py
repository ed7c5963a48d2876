"""`judgeloop doctor`: whether a loop could run here, one line a check."""

from __future__ import annotations

import argparse
from pathlib import Path

from judgeloop.cli.options import Subcommands
from judgeloop.ops.doctor.preflight import examine
from judgeloop.schema.config import load_config
from judgeloop.schema.errors import PreflightError


def add(commands: Subcommands) -> None:
    """Declares the command."""
    command = commands.add_parser("doctor", help="check whether a loop could run here")
    command.add_argument("--config", type=Path, required=True, help="a YAML configuration")
    command.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE",
        help="change one value of the configuration; may be given again",
    )  # fmt: skip
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> str:
    """Runs all checks and describes what they found.

    Raises:
        ConfigError: The configuration is wrong.
        PreflightError: A check failed; all lines are in the message.
    """
    findings = list(examine(load_config(options.config, options.set)))
    lines = "\n".join(map(str, findings))
    if any(finding.state == "FAILED" for finding in findings):
        raise PreflightError(f"a loop could not run here\n{lines}")
    return lines
