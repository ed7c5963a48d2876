"""`judgeloop convert`: converts a data set of another layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from judgeloop.cli import options
from judgeloop.cli.command import command
from judgeloop.data.convert import conversion
from judgeloop.data.convert.conversion import Conversion
from judgeloop.data.convert.layouts import FIELDS
from judgeloop.schema.errors import ConfigError


@command(
    "convert",
    "judgeloop convert my_data/ --out questions/ --columns text=question images=picture",
)
@click.argument("source", metavar="SOURCE")
@click.argument("others", nargs=-1, metavar="")
@click.option("--out", required=True, type=options.LOCAL_PATH, help="A new folder.")
@click.option(
    "--columns",
    multiple=True,
    metavar="FIELD=COLUMN ...",
    help=f"Where a field has another name; fields: {', '.join(FIELDS)}.",
)
@options.as_json
def convert(
    source: str, others: Sequence[str], out: Path, columns: Sequence[str], as_json: bool
) -> str:
    """Write a data set of another layout as questions.jsonl with images.

    SOURCE is hf://datasets/OWNER/NAME@REVISION/SUBSET, a saved data set, an image folder, .jsonl,
    .json, .csv, .tsv, .parquet or .tar, or an s3:// prefix. It is read row by row; the result is
    what data.questions takes. Answers are not read.

    Raises:
        ConfigError: An option is wrong.
        DataError: The source cannot be read.
    """
    found = conversion.convert(source, out, read_columns([*columns, *others]))
    return msgspec.json.encode(found).decode() if as_json else _described(found, out)


def read_columns(pairs: list[str]) -> dict[str, str]:
    """Reads FIELD=COLUMN texts.

    Raises:
        ConfigError: One has another form.
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
    return "\n".join([*lines, f"licenses: {shares}"])
