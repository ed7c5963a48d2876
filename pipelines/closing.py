"""The end of a local run: copies the report, prints the outcome, and detects an earlier end."""

from __future__ import annotations

import json
import os
from pathlib import Path

from rich.console import Console

from judgeloop.cli.command import command_line
from judgeloop.ops.outcome import read_outcome, write_samples
from judgeloop.runtime.ending import read_ending
from judgeloop.runtime.ledger import Ledger
from judgeloop.runtime.reference import parse_reference
from judgeloop.schema.config import Config
from judgeloop.schema.errors import JudgeLoopError
from judgeloop.store import MissingObjectError
from judgeloop.store.local_files import write_whole
from pipelines.plain import print_plain

REPORT = ("table.txt", "summary.json", "report.html")
TRY = "try"
"""Folder of sample pairs to ask the champion about."""


def has_ended(ledger: Ledger, config: Config, out: Path) -> bool:
    """Returns whether a run of the same configuration has ended in this folder, with its report.

    Raises:
        StoreError, DataError: The ledger cannot be read.
    """
    arguments = out / "arguments.json"
    registry = "MLFLOW_TRACKING_URI" in os.environ or (out / "mlflow" / "mlflow.db").is_file()
    if not registry or not arguments.is_file():
        return False
    try:
        given = json.loads(arguments.read_text(encoding="utf-8"))
        before, _ = parse_reference(given["config"]).read(ledger.loop_id)
    except (JudgeLoopError, ValueError, KeyError, OSError):
        return False
    if before != config or read_ending(ledger).state != "finished":
        return False
    return all(
        (out / name).is_file() and (out / name).read_bytes() == content
        for name, content in _report(ledger, REPORT)
    )


def copy_report(ledger: Ledger, out: Path) -> None:
    """Copies the report's files from the store; missing ones have failed, and are left out."""
    for name in REPORT:
        try:
            ((_, content),) = _report(ledger, (name,))
        except MissingObjectError:
            continue
        write_whole(out / name, content)


def say_ending(ledger: Ledger, config: Config, out: Path, console: Console) -> None:
    """Prints the table, the decision and its reason, how to ask the judge, and file paths."""
    table = out / "table.txt"
    if table.is_file():
        print_plain(console, table.read_text(encoding="utf-8"))
    outcome = read_outcome(ledger, config)
    if outcome is not None:
        print_plain(console, f"{'Promoted' if outcome.promoted else 'Refused'}: {outcome.sentence}")
        if outcome.judge is not None:
            print_plain(console, f"\nAsk it:\n  {_question(ledger, config, out, outcome.judge)}\n")
    # A server's address may contain a password, so it isn't shown.
    ours = "MLFLOW_TRACKING_URI" not in os.environ
    report = out / "report.html"
    opened = f"{out / 'mlflow' / 'mlflow.db'}; to look at it: {command_line(['mlflow', str(out)])}"
    places = {
        "report": report if report.is_file() else "none was written",
        "registry": opened if ours else "the server in MLFLOW_TRACKING_URI",
        "log": f"{out / 'run.log'}; all that was printed: {out / 'kfp.log'}",
    }
    for name, place in places.items():
        print_plain(console, f"{name:<9} {place}")


def _question(ledger: Ledger, config: Config, out: Path, judge: str) -> str:
    """Returns the command that asks the judge about a held-out pair."""
    samples = write_samples(ledger, config, out / TRY)
    arguments = ["verdict", "--run", str(out), "--model", judge]
    if not samples:
        return command_line(arguments)
    first = samples[0]
    arguments += [word for image in first.images for word in ("--image", str(image))]
    arguments += ["--question", first.question, "--a", first.a, "--b", first.b]
    return command_line(arguments)


def _report(ledger: Ledger, names: tuple[str, ...]) -> list[tuple[str, bytes]]:
    prefix = f"loops/{ledger.loop_id}/report"
    return [(name, ledger.store.read(f"{prefix}/{name}")) for name in names]
