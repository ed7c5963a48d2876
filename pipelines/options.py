"""What the declarations of the commands share."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_loop(command: argparse.ArgumentParser) -> None:
    """Declares which loop is started: its configuration, changes to it, and its id."""
    command.add_argument("--config", type=Path, required=True, help="a YAML configuration")
    command.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE",
        help="change one value of the configuration; may be given again",
    )  # fmt: skip
    command.add_argument("--loop-id", help="go on with this loop; default: from the configuration")


def add_profile(command: argparse.ArgumentParser) -> None:
    """Declares the profile, as `pipelines.profile.read_profile` reads it."""
    command.add_argument("--profile", default="cpu", help="name in k8s/profiles/, or a YAML file")
