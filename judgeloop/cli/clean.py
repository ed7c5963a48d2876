"""`judgeloop clean`: shows, and with `--yes` removes, what no registered version needs."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click
import msgspec
from rich.filesize import decimal

from judgeloop.cli import options
from judgeloop.cli.command import command
from judgeloop.cli.table import table
from judgeloop.ops.clean import Plan, hold_loops, plan_cleaning, remove
from judgeloop.ops.target import Target, open_target
from judgeloop.ops.workers import Worker, find_workers
from judgeloop.registry.client import TRACKING_URI


@command(
    "clean",
    "judgeloop clean runs/demo",
    "judgeloop clean runs/demo --yes",
    "judgeloop clean s3://bucket/prefix --forget first --yes",
)
@options.target
@click.option("--yes", is_flag=True, help="Remove; without it, only show.")
@click.option(
    "--forget",
    metavar="LOOP",
    multiple=True,
    help="Give up this unfinished loop: removes its ledger and what only it needs (repeatable).",
)
@options.as_json
def clean(target: str, yes: bool, forget: Sequence[str], as_json: bool) -> str:
    """Show, and with --yes remove, what no registered version and no unfinished loop needs.

    Everything that a registered version was made from is kept (delete a version in MLflow to free
    it), and so are unfinished loops, all ledgers and reports, and every file that judgeloop did not
    write. The registry is the run's own, or that of MLFLOW_TRACKING_URI.

    Raises:
        ConfigError: There is no such folder, store or loop.
        RegistryError: The registered versions are not known, so nothing can be removed.
        StoreError, DataError: The store cannot be read or written, or needed data is damaged.
    """
    found = open_target(target)
    if found.registry:
        os.environ[TRACKING_URI] = found.registry
    workers = find_workers(found.store)
    if not yes:
        plan = _plan(found, workers, forget)
    else:
        with hold_loops(found.store, workers):
            plan = _plan(found, workers, forget)
            remove(found.store, plan)
    if as_json:
        return msgspec.json.encode(plan).decode()
    return "\n".join(_shown(plan, found, done=yes))


def _plan(target: Target, workers: list[Worker], forget: Sequence[str]) -> Plan:
    from judgeloop.registry.inventory import registered_judges

    judges = (version.judge for version in registered_judges())
    return plan_cleaning(target.store, judges, workers, list(forget))


def _shown(plan: Plan, target: Target, *, done: bool) -> list[str]:
    verb = "removed" if done else "to remove"
    rows = [
        (each.stage, f"{each.kept:,}", decimal(each.kept_bytes), f"{each.removed:,}",
         decimal(each.removed_bytes))
        for each in plan.totals
    ]  # fmt: skip
    total = sum(each.removed_bytes for each in plan.totals)
    lines = [
        f"store {target.store.uri}",
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
