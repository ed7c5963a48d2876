"""`judgeloop promote` and `judgeloop rollback`: people move the champion, with a reason."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from judgeloop.cli.options import Subcommands

if TYPE_CHECKING:
    from judgeloop.registry.manual import Move


def add(commands: Subcommands) -> None:
    """Declares both commands."""
    promote = commands.add_parser("promote", help="make a version the champion, by hand")
    promote.add_argument("version", metavar="VERSION", help="models:/name/version, or @alias")
    promote.add_argument(
        "--instead-of",
        required=True,
        metavar="CHAMPION",
        help="number of the champion that it replaces, or `none`; refused when it has moved",
    )
    promote.add_argument("--reason", required=True, help="stays in the audit trail")
    promote.set_defaults(run=run_promote)
    back = commands.add_parser("rollback", help="make the previous champion the champion again")
    back.add_argument("name", metavar="MODEL", help="name of the registered model")
    back.add_argument(
        "--instead-of", metavar="CHAMPION", help="number of the champion that is to go"
    )
    back.add_argument("--reason", required=True, help="stays in the audit trail")
    back.set_defaults(run=run_rollback)


def run_promote(options: argparse.Namespace) -> str:
    """Promotes and describes; raises as `promote_by_hand`."""
    from judgeloop.registry.manual import promote_by_hand

    instead_of = None if options.instead_of == "none" else options.instead_of
    return describe(promote_by_hand(options.version, options.reason, instead_of))


def run_rollback(options: argparse.Namespace) -> str:
    """Rolls back and describes; raises as `roll_back`."""
    from judgeloop.registry.manual import roll_back

    return describe(roll_back(options.name, options.reason, options.instead_of))


def describe(move: Move) -> str:
    """Returns what was moved, with the figures of both versions."""
    lines = [
        f"Champion: version {move.version}, instead of {move.instead_of or 'none'} "
        f"({move.action} by {move.by} at {move.at}: {move.reason})"
    ]
    for version, figures in move.figures.items():
        said = ", ".join(f"{name} {value:.3f}" for name, value in figures.items())
        lines.append(f"version {version}: {said or 'no figures'}")
    return "\n".join(lines)
