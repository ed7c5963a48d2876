"""`judgeloop score`: a benchmark's figures from saved outputs, without inference or images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from judgeloop.cli import options
from judgeloop.cli.command import command

if TYPE_CHECKING:
    from judgeloop.evaluation.benchmarks.score import Score

NAMES = ("vl-rewardbench", "mm-rewardbench", "mm-rlhf-rewardbench")
SHOWN_FAULTS = 20


@command(
    "score",
    "judgeloop score --benchmark vl-rewardbench --data DIR --outputs outputs.jsonl",
)
@click.option("--benchmark", required=True, type=click.Choice(NAMES))
@click.option(
    "--data",
    required=True,
    type=options.FILE,
    metavar="DIR",
    help="The benchmark's folder or file.",
)
@click.option(
    "--outputs",
    required=True,
    type=options.FILE,
    metavar="FILE",
    help="JSON lines in the benchmark's official layout, or judgeloop's judgements.",
)
@options.as_json
def score(benchmark: str, data: Path, outputs: Path, as_json: bool) -> str:
    """Compute a benchmark's figures from saved outputs, without inference or images."""
    from judgeloop.evaluation.benchmarks import BENCHMARKS
    from judgeloop.evaluation.benchmarks.score import score as compute

    result = compute(BENCHMARKS[benchmark], data, outputs)
    if as_json:
        return json.dumps(msgspec.to_builtins(result))
    return describe(result)


def describe(result: Score) -> str:
    """Returns the text output: the official lines first, then the other figures."""
    data = ", ".join(f"{name} sha256 {digest}" for name, digest in result.data["files"].items())
    lines = [
        *result.lines,
        "",
        f"protocol: {result.protocol}",
        f"data: {result.data['items']} items; {data}",
        f"outputs: {result.outputs['outputs']} on {result.outputs['items']} items; "
        f"{result.outputs['missing_items']} items have none",
        *_interval_lines(result),
        *_strict_lines(result),
        *_voting_lines(result),
        *(f"map {name}: {_short(figures)}" for name, figures in result.maps.items()),
        f"suspect labels: {', '.join(result.suspects) or 'none'}",
        *_fault_lines(result),
    ]
    return "\n".join(lines)


def _interval_lines(result: Score) -> list[str]:
    if not result.intervals:
        return []
    shown = (f"{name} {low:.4f} to {high:.4f}" for name, (low, high) in result.intervals.items())
    return [f"official accuracies, 95 %, clustered by image: {', '.join(shown)}"]


def _voting_lines(result: Score) -> list[str]:
    found = result.voting
    if found is None:
        return []
    error = found["expected_calibration_error"]
    return [
        f"voting: {found['majority']:.4f} of the verdicts are right by the majority of up to "
        f"{found['samples']} samples, {found['single']:.4f} by a single one (gain "
        f"{found['gain']:+.4f}); expected calibration error "
        f"{'-' if error is None else f'{error:.4f}'}"
    ]


def _strict_lines(result: Score) -> list[str]:
    found = result.strict
    if found is None:
        return [f"strict: none, since {result.strict_reason}"]
    low, high = found["both_orders_interval"]
    lines = [
        f"strict: {found['both_orders']:.4f} right in both orders "
        f"(95 % {low:.4f} to {high:.4f}), macro {found['both_orders_macro']:.4f}, "
        f"{found['accuracy']:.4f} by single verdict, on {found['items']} items; "
        f"{found['items_in_one_order_only']} were judged in one order only and don't count",
        f"undecided: {found['undecided']:.4f} of all verdicts",
    ]
    if found["first_position"] is not None:
        lines.append(f"first position: {found['first_position']:.4f} of the decided verdicts")
    return lines


def _short(figures: dict[str, Any]) -> str:
    """Returns a map's figures on one line, without the counts behind them."""
    names = ("sizes", "accuracy_by_group", "overall_accuracy", "macro_accuracy", "overall")
    return json.dumps({name: figures[name] for name in names if name in figures})


def _fault_lines(result: Score) -> list[str]:
    if not result.faults:
        return ["faults: none"]
    counts = ", ".join(f"{count} {reason}" for reason, count in result.fault_counts.items())
    shown = result.faults[:SHOWN_FAULTS]
    lines = [f"faults: {counts}"]
    lines += [f"  {fault.where}: {fault.reason}: {fault.detail}" for fault in shown]
    if len(result.faults) > len(shown):
        lines.append(f"  ... and {len(result.faults) - len(shown)} more (all of them by --json)")
    return lines
