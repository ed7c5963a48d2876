"""`judgeloop plan`: what a loop would cost, before it runs."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from judgeloop.cli.options import Subcommands
from judgeloop.cli.table import table
from judgeloop.ops.plan.estimate import GPUS, Plan, make_plan
from judgeloop.ops.plan.shapes import shape_of
from judgeloop.ops.plan.survey import survey
from judgeloop.schema.config import load_config


def add(commands: Subcommands) -> None:
    """Declares the command."""
    command = commands.add_parser(
        "plan",
        help="estimate tokens, GPU hours, memory, disk and price of a loop",
        description="Estimates what a loop costs. Every figure follows from stated rates and "
        "assumptions, which are printed; none was measured on a GPU.",
        epilog="example: judgeloop plan pipelines/configs/qwen2.5-vl-7b.yaml "
        "--set data.count=10000 --gpu h100 --price-per-hour 3",
    )
    command.add_argument("config", type=Path, help="a YAML configuration")
    command.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE",
        help="change one value of the configuration; may be given again",
    )  # fmt: skip
    command.add_argument("--gpu", choices=sorted(GPUS), default="h100", help="kind of GPU")
    command.add_argument("--price-per-hour", type=float, metavar="PRICE", help="of one GPU")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> str:
    """Surveys the questions and estimates the loop.

    Raises:
        ConfigError: The configuration is wrong, or a size is not known.
        DataError: The questions cannot be read.
    """
    config = load_config(options.config, options.set)
    questions, gold, notes = survey(config)
    plan = make_plan(
        config, shape_of(config.model.base), questions, gold, GPUS[options.gpu],
        options.price_per_hour, notes,
    )  # fmt: skip
    return msgspec.json.encode(plan).decode() if options.json else _described(plan)


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
    ]
    if plan.price is not None:
        lines.append(f"price      {plan.price:,.2f}")
    lines.append("Estimates from stated rates and assumptions; none was measured on a GPU:")
    stated = msgspec.to_builtins(plan.rates) | msgspec.to_builtins(plan.assumptions)
    lines += [f"  {name} {value:g}" for name, value in stated.items()]
    lines += [f"note: {note}" for note in plan.notes]
    return "\n".join(lines)
