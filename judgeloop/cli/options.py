"""What the declarations of the commands share."""

from __future__ import annotations

import argparse
from typing import TypeAlias

Subcommands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What a command is added to."""


def add_place(command: argparse.ArgumentParser) -> None:
    """Declares DIR-or-URI, as `judgeloop.ops.place` reads it."""
    command.add_argument(
        "place",
        metavar="DIR-or-URI",
        help="a run's folder such as runs/demo, a store's folder, or s3://bucket/prefix",
    )
