"""`judgeloop view`: writes every pair of a loop into a folder for a browser."""

from __future__ import annotations

from pathlib import Path

import click

from judgeloop.cli import options
from judgeloop.cli.command import command
from judgeloop.cli.report import chosen_loop
from judgeloop.ops.target import open_target
from judgeloop.runtime.ledger import Ledger
from judgeloop.schema.errors import ConfigError, DataError


@command(
    "view",
    "judgeloop view runs/demo",
    "judgeloop view s3://bucket/prefix --loop first --out views/first",
)
@options.target
@click.option("--loop", metavar="ID", help="Which loop, of several in a store.")
@click.option("--out", type=options.LOCAL_PATH, help="The folder.  [default: view/ in the run's]")
def view(target: str, loop: str | None, out: Path | None) -> str:
    """Write every pair with its images, answers and judgements into a folder to browse.

    The folder needs no server: open its index.html. Thumbs and notes stay in that browser, and
    `export marked` saves them as a gold file; keep it in the folder, since it refers to the images
    there.

    Raises:
        ConfigError: There is no such folder, store or loop, or no folder is known for the files.
        DataError: The loop has judged no pairs yet.
    """
    found = open_target(target)
    folder = out or (found.run / "view" if found.run else None)
    if folder is None:
        raise ConfigError(f"{target}: is not a run's folder: name one for the view with --out")
    name = chosen_loop(found, loop)
    ledger = Ledger(found.store, name)
    from judgeloop.report.view.folder import write_view
    from judgeloop.report.view.rows import read_rows, read_settings
    from judgeloop.store.images import ImageLibrary

    settings = read_settings(ledger)
    images = ImageLibrary(found.store, settings.data.max_pixels, settings.data.background)
    written = write_view(read_rows(settings, ledger), images, folder, name)
    if not written.rows:
        raise DataError(f"{found.store.uri}: loop {name} has judged no pairs yet")
    return f"{written.rows} pairs, {written.images} images\nview      {written.page}"
