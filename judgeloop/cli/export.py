"""`judgeloop export`: writes a judge, or the data that a loop made, into a portable folder."""

from __future__ import annotations

import json
from pathlib import Path

import click

from judgeloop.cli import options
from judgeloop.cli.command import command
from judgeloop.cli.judge_selection import selected_judge
from judgeloop.schema.errors import ConfigError

JUDGE_FORMS, DATA_FORMS = ("adapter", "merged"), ("pairs", "examples")


@command(
    "export",
    "judgeloop export --run runs/demo --out exported/judge",
    "judgeloop export --judge models:/judge/3 --as merged --out exported/model",
    "judgeloop export --run runs/demo --as examples --out exported/examples",
)
@click.option(
    "--judge",
    "judge_name",
    metavar="JUDGE",
    help="models:/judge@champion, or a folder with judge.json.  [default: the champion of --run]",
)
@click.option("--run", metavar="DIR", help="A run's folder.")
@click.option("--out", type=options.LOCAL_PATH, required=True, metavar="DIR", help="A new folder.")
@click.option(
    "--as",
    "form",
    type=click.Choice((*JUDGE_FORMS, *DATA_FORMS)),
    default="adapter",
    show_default=True,
    help="adapter: as it is registered; merged: a whole model for Transformers; pairs, examples: "
    "what the run's loop made, in TRL's preference and conversation forms.",
)
@options.as_json
def export(judge_name: str | None, run: str | None, out: Path, form: str, as_json: bool) -> str:
    """Write a judge with a model card and hashes, or a loop's data, into a new folder.

    Raises:
        ConfigError: The options don't go together, or the folder is not empty.
        JudgeLoopError: The judge or the loop cannot be read.
    """
    if form in DATA_FORMS:
        return _export_data(run, form, out)
    from judgeloop.ops import export as exporting

    found = exporting.export_judge(selected_judge(judge_name, run), out, merged=form == "merged")
    return exporting.as_json(found) if as_json else exporting.described(found)


def _export_data(run: str | None, form: str, out: Path) -> str:
    from judgeloop.ops.export_data import export_data
    from judgeloop.ops.target import open_target
    from judgeloop.runtime.ledger import Ledger

    place = open_target(run) if run is not None else None
    if place is None or place.loop_id is None:
        raise ConfigError(f"--as {form} needs --run with the folder of a run")
    counts = export_data(
        Ledger(place.store, place.loop_id), "pairs" if form == "pairs" else "examples", out
    )
    return json.dumps({"folder": str(out), **counts})
