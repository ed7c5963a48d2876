"""`judgeloop check-data`: checks a file of data as a loop would read it, before the loop runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from judgeloop.cli import options
from judgeloop.cli.command import command
from judgeloop.ops.check_data import Checked, check_data
from judgeloop.schema.config import load_config
from judgeloop.schema.errors import DataError

SHOWN_FIELDS = 10
"""Number of further fields that are listed."""


@command(
    "check-data",
    "judgeloop check-data questions.jsonl --config my.yaml",
    "judgeloop check-data gold.jsonl --json",
)
@click.argument("file", metavar="FILE.jsonl")
@click.option(
    "--config",
    type=options.FILE,
    default=Path("tiny"),
    show_default=True,
    help="Says what is held out and how many examples are needed.",
)
@options.changes
@options.as_json
def check(file: str, config: Path, changes: Sequence[str], as_json: bool) -> str:
    """Check a file of questions or gold pairs, with all its images, as a loop would read it.

    Shown are the rows by kind, the first bad rows with their reasons, sizes of images and texts,
    what will be held out, and whether the loop can work with so few. Exit code 3 where it cannot.

    Raises:
        ConfigError: There is no such file or configuration.
        DataError: No row can be used, or the loop could not work with those that can.
    """
    found = check_data(file, load_config(config, changes))
    text = msgspec.json.encode(found).decode() if as_json else "\n".join(_lines(found))
    if found.problems:
        raise DataError(f"a loop could not work with these data\n{text}")
    return text


def _lines(found: Checked) -> list[str]:
    pictures = found.pictures
    smallest, largest = (f"{w} x {h}" for w, h in (pictures.smallest, pictures.largest))
    tokens = "tokens, estimated from characters" if found.tokens_estimated else "tokens"
    lines = [
        f"{found.file}: {found.usable} {found.what} of {found.rows} rows",
        *(f"  {count:>7} {kind}" for kind, count in found.by_kind.items()),
        *_unsure(found),
        *(f"  {count:>7} left out: {reason}" for reason, count in found.dropped.items()),
        *(f"          {row}" for row in found.bad_rows),
        f"images   {pictures.count}, {smallest} to {largest} pixels, {pictures.reduced} of them "
        "over data.max_pixels and scaled down",
        f"texts    {found.tokens_mean:g} {tokens} on average, {found.tokens_most} at most",
    ]
    if found.further_fields:
        lines.append(f"meta     {_named(found.further_fields)}")
    if found.held_out is not None:
        lines.append(f"split    {found.trained} to train on, {found.held_out} held out")
    lines += [f"PROBLEM  {said}" for said in found.problems]
    return lines + [f"warning  {said}" for said in found.warnings]


def _unsure(found: Checked) -> list[str]:
    if not found.unsure_kinds:
        return []
    return [
        f"  {found.unsure_kinds:>7} of them by a wording that does not show the answer's form: "
        "state their `kind`, name subsets in data.kinds, or set synthesis.route_samples"
    ]


def _named(fields: dict[str, int]) -> str:
    shown = [f"{name!r} ({rows})" for name, rows in list(fields.items())[:SHOWN_FIELDS]]
    more = [f"{len(fields) - SHOWN_FIELDS} more"] if len(fields) > SHOWN_FIELDS else []
    return f"further fields (rows), kept but not used: {', '.join(shown + more)}"
