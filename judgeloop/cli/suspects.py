"""`judgeloop suspects A B ...`: suspect labels, as a list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from judgeloop.cli import options
from judgeloop.cli.command import command
from judgeloop.cli.compare import read_results, self_contradicting
from judgeloop.cli.judge_selection import run
from judgeloop.cli.score import NAMES


@command(
    "suspects",
    "judgeloop suspects a.jsonl b.jsonl --benchmark vl-rewardbench --data DIR --out s.jsonl",
    "judgeloop suspects models:/judge/2 models:/judge/3 --run runs/demo --out s.jsonl",
)
@click.argument("judges", metavar="JUDGE...", nargs=-1, required=True)
@run
@click.option("--store", help="The store of the versions' results.  [default: the store of --run]")
@click.option("--benchmark", type=click.Choice(NAMES), help="Benchmark of the files.")
@click.option("--data", type=options.FILE, metavar="DIR", help="The benchmark's data.")
@click.option(
    "--out", type=options.LOCAL_PATH, required=True, help="Output file, one JSON line per item."
)
def suspects(
    judges: Sequence[str],
    run: str | None,
    store: str | None,
    benchmark: str | None,
    data: Path | None,
    out: Path,
) -> str:
    """List the items that no judge gets right, or whose label contradicts their reference answer.

    Raises:
        ConfigError: The options don't go together.
        JudgeLoopError: Results cannot be read.
    """
    from judgeloop.evaluation.suspects import find_suspects
    from judgeloop.schema.records import to_json
    from judgeloop.store.local_files import write_whole

    results = read_results(judges, run, store, benchmark, data)
    contradicting = self_contradicting(benchmark, data) if benchmark and data else []
    given = {name: list(one) for name, one in zip(judges, results, strict=True)}
    found = find_suspects(given, contradicting)
    write_whole(out, b"".join(to_json(one) + b"\n" for one in found))
    counts = Counter(reason for one in found for reason in one.reasons)
    said = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))
    return f"{out}: {len(found)} items to review" + (f" ({said})" if said else "")
