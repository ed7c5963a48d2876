"""`judgeloop arms`: compares several loops, in a table and a page."""

from __future__ import annotations

from pathlib import Path

import click

from judgeloop.cli import options
from judgeloop.cli.command import command
from judgeloop.cli.table import table
from judgeloop.ops.target import open_target
from judgeloop.report.arms import Arm, arms_page, arms_rows
from judgeloop.report.history import read_history
from judgeloop.runtime.ledger import Ledger
from judgeloop.schema.errors import ConfigError
from judgeloop.store.local_files import write_whole

PAGE = "arms.html"


@command(
    "arms",
    "judgeloop arms runs/method runs/unfiltered --out reports/arms",
)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--out", type=options.LOCAL_PATH, required=True, help="Folder for the page.")
def arms(runs: tuple[str, ...], out: Path) -> str:
    """Compare loops side by side: a method, its filter arms, its seeds.

    Raises:
        ConfigError: A folder is not that of a run.
        DataError: A loop has no figures, or two were scored on different gold pairs.
    """
    found = [_arm(run) for run in runs]
    page = arms_page(found)
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / PAGE, page.encode())
    header, *rows = arms_rows(found)
    return "\n".join([*table(header, rows), f"page      {out / PAGE}"])


def _arm(run: str) -> Arm:
    target = open_target(run)
    if target.reference is None or target.loop_id is None:
        raise ConfigError(f"{run}: it is not a run's folder, such as runs/demo")
    keep = target.reference.read(target.loop_id)[0].filtering.keep
    history = read_history(Ledger(target.store, target.loop_id), "")
    return Arm(name=f"{keep}, {target.loop_id}", history=history)
