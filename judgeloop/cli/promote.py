"""`judgeloop promote` and `judgeloop rollback`: change the champion by hand, with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from judgeloop.cli.command import command
from judgeloop.cli.judge_selection import run, use_run

if TYPE_CHECKING:
    from judgeloop.registry.manual import Move

_reason = click.option("--reason", required=True, help="Reason, recorded in the audit trail.")


@command(
    "promote",
    "judgeloop promote models:/judge/3 --instead-of 2 --reason 'wins on our own photographs' \\\n"
    "    --run runs/demo",
)
@click.argument("version", metavar="VERSION")
@click.option(
    "--instead-of",
    required=True,
    metavar="CHAMPION",
    help="Number of the champion that it replaces, or `none`; refused if it is no longer that.",
)
@_reason
@run
def promote(version: str, instead_of: str, reason: str, run: str | None) -> str:
    """Make a version (models:/name/version, or @alias) the champion, by hand."""
    from judgeloop.registry.manual import promote_by_hand

    if run:
        use_run(run)
    before = None if instead_of == "none" else instead_of
    return describe(promote_by_hand(version, reason, before))


@command("rollback", "judgeloop rollback judge --reason 'it refuses too much'")
@click.argument("name", metavar="MODEL")
@click.option("--instead-of", metavar="CHAMPION", help="Number of the champion to replace.")
@_reason
@run
def rollback(name: str, instead_of: str | None, reason: str, run: str | None) -> str:
    """Make the previous champion of a registered model the champion again."""
    from judgeloop.registry.manual import roll_back

    if run:
        use_run(run)
    return describe(roll_back(name, reason, instead_of))


def describe(move: Move) -> str:
    """Describes a change of the champion, with the figures of both versions."""
    lines = [
        f"Champion: version {move.version}, instead of {move.instead_of or 'none'} "
        f"({move.action} by {move.by} at {move.at}: {move.reason})"
    ]
    for version, figures in move.figures.items():
        said = ", ".join(f"{name} {value:.3f}" for name, value in figures.items())
        lines.append(f"version {version}: {said or 'no figures'}")
    return "\n".join(lines)
