"""`judgeloop clean`: shows, and with `--yes` removes, what no registered version needs."""

from __future__ import annotations

import argparse
import os

import msgspec
from rich.filesize import decimal

from judgeloop.cli.options import Subcommands, add_place
from judgeloop.cli.table import table
from judgeloop.ops.clean import Plan, hold_loops, plan_cleaning, remove
from judgeloop.ops.place import Place, find_place
from judgeloop.ops.workers import Worker, find_workers
from judgeloop.registry.client import TRACKING_URI


def add(commands: Subcommands) -> None:
    """Declares the command."""
    command = commands.add_parser(
        "clean",
        help="show, and with --yes remove, what no registered version and no unfinished loop needs",
        description="Kept is what made a registered version (delete a version in MLflow to free "
        "it), what unfinished loops have, all ledgers and reports, and every file that judgeloop "
        "did not write. The registry is the run's own, or that of MLFLOW_TRACKING_URI.",
    )
    add_place(command)
    command.add_argument("--yes", action="store_true", help="really remove; else only show")
    command.add_argument(
        "--forget",
        metavar="LOOP",
        action="append",
        default=[],
        help="this loop will not go on: what only it needs goes, with its ledger (repeatable)",
    )
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> str:
    """Shows what may go, and removes it if it was asked to.

    Raises:
        ConfigError: There is no such place or loop.
        RegistryError: The registered versions are not known, so nothing may go.
        StoreError, DataError: The store cannot be read or written, or what is needed is damaged.
    """
    place = find_place(options.place)
    if place.registry:
        os.environ[TRACKING_URI] = place.registry
    workers = find_workers(place.store)
    if not options.yes:
        plan = _plan(place, workers, options)
    else:
        with hold_loops(place.store, workers):
            plan = _plan(place, workers, options)
            remove(place.store, plan)
    if options.json:
        return msgspec.json.encode(plan).decode()
    return "\n".join(_shown(plan, place, done=options.yes))


def _plan(place: Place, workers: list[Worker], options: argparse.Namespace) -> Plan:
    from judgeloop.registry.inventory import registered_judges

    judges = (version.judge for version in registered_judges())
    return plan_cleaning(place.store, judges, workers, options.forget)


def _shown(plan: Plan, place: Place, *, done: bool) -> list[str]:
    verb = "removed" if done else "to remove"
    rows = [
        (heap.stage, f"{heap.kept:,}", decimal(heap.kept_bytes), f"{heap.removed:,}",
         decimal(heap.removed_bytes))
        for heap in plan.heaps
    ]  # fmt: skip
    total = sum(heap.removed_bytes for heap in plan.heaps)
    lines = [
        f"store {place.store.uri}",
        *table(("", "kept", "", verb, ""), rows),
        f"kept for {plan.versions} registered version(s) and {len(plan.unfinished)} unfinished "
        f"loop(s){': ' * bool(plan.unfinished)}{', '.join(plan.unfinished)}",
        *(f"at work: {worker}" for worker in plan.workers),
        f"{verb}: {len(plan.removed):,} objects, {decimal(total)}",
        *(f"  {key}" for key in plan.removed),
    ]
    left = (*plan.leftovers, *plan.folders)
    if left:
        lines += [f"{verb}, left by killed writers: {len(left):,}", *(f"  {it}" for it in left)]
    if (plan.removed or left) and not done:
        lines.append("nothing was removed: add --yes to remove it")
    return lines
