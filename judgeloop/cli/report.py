"""`judgeloop report`: the figures of a loop, and its report as files."""

from __future__ import annotations

from pathlib import Path

import click

from judgeloop.cli import options
from judgeloop.cli.command import command
from judgeloop.ops.status import loop_ids
from judgeloop.ops.target import Target, open_target
from judgeloop.schema.errors import ConfigError, DataError
from judgeloop.store import MissingObjectError
from judgeloop.store.local_files import write_whole

FILES = ("table.txt", "summary.json", "report.html")


@command(
    "report",
    "judgeloop report runs/demo",
    "judgeloop report s3://bucket/prefix --loop first --out reports/first",
)
@options.target
@click.option("--loop", metavar="ID", help="Which loop, of several in a store.")
@click.option(
    "--out", type=options.LOCAL_PATH, help="Where the files go.  [default: the run's folder]"
)
def report(target: str, loop: str | None, out: Path | None) -> str:
    """Print the figures of a loop, and copy its report out of the store.

    Raises:
        ConfigError: There is no such folder, store or loop, or no folder is known for the files.
        DataError: The loop has no report yet.
    """
    found = open_target(target)
    folder = out or found.run
    if folder is None:
        raise ConfigError(f"{target}: is not a run's folder: name one for the report with --out")
    prefix = f"loops/{chosen_loop(found, loop)}/report"
    try:
        contents = {name: found.store.read(f"{prefix}/{name}") for name in FILES}
    except MissingObjectError as error:
        raise DataError(f"{found.store.uri}/{prefix}: there is no report yet") from error
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        write_whole(folder / name, content)
    return f"{contents['table.txt'].decode()}\nreport    {folder / 'report.html'}"


def chosen_loop(target: Target, asked: str | None) -> str:
    """Returns the requested loop, or the only one in the store.

    Raises:
        ConfigError: There is no such loop, or there are several.
    """
    known = loop_ids(target.store)
    name = asked or target.loop_id or (known[0] if len(known) == 1 else None)
    if name not in known:
        raise ConfigError(f"{target.name}: name one of its loops with --loop: {', '.join(known)}")
    return name
