"""`judgeloop convert`: a data set of another layout in our form."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from judgeloop.cli.options import Subcommands, local_path
from judgeloop.data.convert.conversion import Conversion, convert
from judgeloop.data.convert.layouts import FIELDS
from judgeloop.schema.errors import ConfigError


def add(commands: Subcommands) -> None:
    """Declares the command."""
    command = commands.add_parser(
        "convert",
        help="write a data set of another layout as questions.jsonl with images",
        description="Reads a data set row by row and writes questions.jsonl and images/, which "
        "data.questions takes. Answers are not read.",
        epilog="example: judgeloop convert my_data/ --out questions/ "
        "--columns text=question images=picture",
    )
    command.add_argument(
        "source", metavar="SOURCE",
        help="hf://datasets/OWNER/NAME@REVISION/SUBSET, a saved data set, an image folder, .jsonl, "
        ".json, .parquet or .tar, or an s3:// prefix",
    )  # fmt: skip
    command.add_argument("--out", required=True, type=local_path, help="a new folder")
    command.add_argument(
        "--columns", nargs="+", default=[], metavar="FIELD=COLUMN",
        help=f"where a field has another name; fields: {', '.join(FIELDS)}",
    )  # fmt: skip
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> str:
    """Converts.

    Raises:
        ConfigError: An option is wrong.
        DataError: The source cannot be read.
    """
    found = convert(options.source, options.out, read_columns(options.columns))
    return msgspec.json.encode(found).decode() if options.json else _described(found, options.out)


def read_columns(pairs: list[str]) -> dict[str, str]:
    """Reads FIELD=COLUMN texts.

    Raises:
        ConfigError: One is no such text.
    """
    for pair in pairs:
        if not all(pair.partition("=")):
            raise ConfigError(f"--columns {pair}: give FIELD=COLUMN, such as text=question")
    return {pair.partition("=")[0]: pair.partition("=")[2] for pair in pairs}


def _described(found: Conversion, out: Path) -> str:
    lines = [
        f"{found.questions} questions of {found.rows} rows, {found.images} images, in {out}",
        *(f"  {count} left out: {reason}" for reason, count in found.dropped.items()),
    ]
    shares = ", ".join(f"{name or 'none stated'} {n}" for name, n in found.by_license.items())
    return "\n".join([*lines, f"licences: {shares}"])
