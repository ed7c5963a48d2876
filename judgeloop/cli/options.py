"""What the declarations of the commands share."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
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


def add_judge(command: argparse.ArgumentParser, flag: str) -> None:
    """Declares which judge, and how it is run."""
    command.add_argument(
        flag,
        required=True,
        metavar="JUDGE",
        help="models:/judge@champion, an adapter or model folder, builtin:tiny-vlm, or a hub id",
    )
    command.add_argument(
        "--engine", choices=("transformers", "vllm"), help="what runs it; default: transformers"
    )
    command.add_argument(
        "--prompts", help="prompt set; default: the one the judge was trained with"
    )
    command.add_argument(
        "--max-pixels",
        type=positive,
        help="a larger image is made smaller; default: the limit of the judge's training",
    )


def add_sampling(command: argparse.ArgumentParser) -> None:
    """Declares how judgements are sampled."""
    command.add_argument("--samples", type=positive, default=1, help="judgements an order")
    command.add_argument(
        "--temperature", type=float, default=0.0, help="0 gives the most likely judgement"
    )
    command.add_argument("--max-tokens", type=positive, help="default: what the prompts need")


def local_path(text: str) -> Path:
    """Reads a path on this machine; `~` is the user's home."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/", text):
        raise argparse.ArgumentTypeError(f"{text!r} is an address, give a path on this machine")
    return Path(text).expanduser()


def positive(text: str) -> int:
    """Reads a whole number above 0."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)
