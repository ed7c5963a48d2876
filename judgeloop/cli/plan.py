"""`judgeloop plan`: what a loop would cost, before it runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from judgeloop.cli import options
from judgeloop.cli.command import command
from judgeloop.cli.table import table
from judgeloop.ops.plan.estimate import GPUS, Plan, make_plan
from judgeloop.ops.plan.overhead import described
from judgeloop.ops.plan.shapes import shape_of
from judgeloop.ops.plan.survey import survey
from judgeloop.schema.config import load_config


@command(
    "plan",
    "judgeloop plan pipelines/configs/qwen2.5-vl-7b.yaml --set data.count=10000 --price-per-hour 3",
)
@click.argument("config", type=options.FILE)
@options.changes
@click.option(
    "--gpu",
    type=click.Choice(sorted(GPUS)),
    default="h100",
    help="Kind of GPU.",
    show_default=True,
)
@click.option("--price-per-hour", type=float, metavar="PRICE", help="Of one GPU.")
@options.as_json
def plan(
    config: Path, changes: Sequence[str], gpu: str, price_per_hour: float | None, as_json: bool
) -> str:
    """Estimate tokens, GPU hours, memory, disk and price of a loop.

    Every figure follows from stated rates and assumptions, which are printed; none was measured on
    a GPU.

    Raises:
        ConfigError: The configuration is wrong, or a size is not known.
        DataError: The questions cannot be read.
    """
    read = load_config(config, changes)
    questions, gold, notes = survey(read)
    made = make_plan(
        read, shape_of(read.model.base), questions, gold, GPUS[gpu], price_per_hour, notes
    )
    return msgspec.json.encode(made).decode() if as_json else _described(made)


def _described(plan: Plan) -> str:
    asked = plan.questions
    header = ("stage", "times", "answers or rows", "prompt tokens", "written tokens")
    rows = [
        (
            work.stage, str(work.runs), f"{work.requests:,.0f}", f"{work.prompt_tokens:,.0f}",
            f"{work.completion_tokens:,.0f}",
        )
        for work in plan.work
    ]  # fmt: skip
    hours = ", ".join(f"{name} {value:,.2f}" for name, value in plan.gpu_hours.items())
    fits = "" if plan.fits else f": MORE than one {plan.gpu} has"
    lines = [
        f"questions  {asked.count:,} ({asked.open_share:.0%} open), {asked.images:g} image(s) of "
        f"{asked.image_pixels:,.0f} pixels, {asked.text_tokens:g} tokens of text",
        f"pairs      {plan.pairs:,.0f} an iteration, {plan.examples:,.0f} examples",
        *table(header, rows),
        f"GPU hours  {hours} ({plan.gpu})",
        f"GPU memory {plan.peak_gpu_memory_gib:,.1f} GiB at most{fits}",
        f"disk       {plan.disk_gib:,.1f} GiB",
        *described(plan.overhead),
    ]
    if plan.price is not None:
        lines.append(f"price      {plan.price:,.2f}")
    lines.append("Estimates from stated rates and assumptions; none was measured on a GPU:")
    stated = msgspec.to_builtins(plan.rates) | msgspec.to_builtins(plan.assumptions)
    lines += [f"  {name} {value:g}" for name, value in stated.items()]
    lines += [f"note: {note}" for note in plan.notes]
    return "\n".join(lines)
