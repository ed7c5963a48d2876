"""`judgeloop compare A B`: two judges on the same items, item by item."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from judgeloop.cli import options
from judgeloop.cli.command import command
from judgeloop.cli.judge_selection import run, use_run
from judgeloop.cli.score import NAMES
from judgeloop.cli.table import table
from judgeloop.schema.errors import ConfigError, DataError
from judgeloop.schema.records import ItemResult, Manifest

if TYPE_CHECKING:
    from judgeloop.evaluation.comparison import Comparison, Difference
    from judgeloop.schema.scorecard import Interval


@command(
    "compare",
    "judgeloop compare models:/judge/3 models:/judge/2 --run runs/demo",
    "judgeloop compare models:/judge/3 models:/judge/2 --store s3://bucket/prefix",
    "judgeloop compare a.jsonl b.jsonl --benchmark vl-rewardbench --data DIR",
)
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@run
@click.option("--store", help="The store of both versions' results.  [default: the store of --run]")
@click.option("--benchmark", type=click.Choice(NAMES), help="Benchmark of both files.")
@click.option("--data", type=options.FILE, metavar="DIR", help="The benchmark's data.")
@click.option(
    "--base",
    "bases",
    multiple=True,
    metavar="MODEL",
    help="The judges' base, by the rows' name for it; give it twice if A's and B's differ.",
)
@options.as_json
def compare(
    a: str,
    b: str,
    run: str | None,
    store: str | None,
    benchmark: str | None,
    data: Path | None,
    bases: tuple[str, ...],
    as_json: bool,
) -> str:
    """Compare two judges on the same items, item by item.

    A and B are registered versions (models:/name/version), or files of outputs.

    Raises:
        ConfigError: The options don't go together.
        JudgeLoopError: Results cannot be read or compared.
    """
    from judgeloop.evaluation import comparison

    mine, theirs = read_results((a, b), run, store, benchmark, data)
    if len(bases) > len((a, b)):
        raise ConfigError("--base is given once for both judges, or once for each")
    own = (bases[0], bases[-1]) if bases else ("", "")
    writers = _writers(benchmark, data) if benchmark and data else {}
    found = comparison.compare((a, b), mine, theirs, writers, own)
    return msgspec.json.encode(found).decode() if as_json else describe(found)


def read_results(
    names: Sequence[str],
    run: str | None,
    store: str | None,
    benchmark: str | None,
    data: Path | None,
) -> list[Iterable[ItemResult]]:
    """Reads the results of registered versions, or of files of outputs.

    Args:
        names: `models:/name/version`, or files.
        run: A run's folder, whose registry and store are read.
        store: Store of the versions' results; None is the store of the run.
        benchmark: The benchmark whose outputs the files hold.
        data: The benchmark's data.

    Raises:
        ConfigError: The options don't go together.
        JudgeLoopError: Results cannot be read.
    """
    if benchmark:
        if data is None:
            raise ConfigError("--benchmark needs --data: give the benchmark's folder")
        return [_of_file(benchmark, data, Path(name)) for name in names]
    if run:
        found = use_run(run)
        store = store or found.store.uri
    if store:
        return _of_versions(store, names)
    raise ConfigError(
        "give --run or --store for registered versions, or --benchmark and --data for files"
    )


def self_contradicting(benchmark: str, data: Path) -> list[str]:
    """Returns the keys of a benchmark's items whose label contradicts their reference answer."""
    from judgeloop.evaluation.benchmarks import BENCHMARKS

    named = BENCHMARKS[benchmark]
    return named.suspects(named.load(data).items)


def _writers(benchmark: str, data: Path) -> dict[str, tuple[str, str]]:
    from judgeloop.evaluation.benchmarks import BENCHMARKS
    from judgeloop.evaluation.benchmarks.base import writers

    return writers(BENCHMARKS[benchmark].load(data).items)


def describe(found: Comparison) -> str:
    """Returns the sentence, a table by group, and the biases of both judges."""
    header = ("", "items", "A", "B", "A - B", "95 %", "won", "lost", "p")
    rows = [_row(name, one) for name, one in [("all", found.overall), *found.groups.items()]]
    own = [_share(each.preferred, each.preferred_interval) for each in found.own_answers]
    more = [
        ("decided verdicts right", *_shares(found, "decided_only")),
        ("undecided verdicts", *_shares(found, "undecided")),
        ("first position", *_shares(found, "first_position")),
        ("prefers the longer answer", *_shares(found, "longer")),
        ("prefers its base's own answer", *own),
        ("same in both orders", *_shares(found, "consistency")),
    ]
    lines = [
        found.sentence,
        "",
        *table(header, rows),
        "",
        *table(("", "A [95 %]", "B [95 %]"), more),
    ]
    return "\n".join([*lines, *_about_own_answers(found)])


def _about_own_answers(found: Comparison) -> list[str]:
    """Describes the reference for the figures on own answers, or why there are none."""
    said = [
        own.reason or f"of {own.items} clear verdicts; the own answer is better on {own.better:.3f}"
        for own in found.own_answers
    ]
    if said[0] == said[1]:
        return ["", f"Own answers: {said[0]}."]
    return ["", f"Own answers, A: {said[0]}.", f"Own answers, B: {said[1]}."]


def _of_file(name: str, data: Path, file: Path) -> Iterable[ItemResult]:
    from judgeloop.evaluation.benchmarks import BENCHMARKS
    from judgeloop.evaluation.benchmarks.score import read_outputs
    from judgeloop.evaluation.benchmarks.strict import strict_results

    benchmark = BENCHMARKS[name]
    items = benchmark.load(data).items
    results = strict_results(benchmark, items, read_outputs(benchmark, file, items))
    if not results:
        raise DataError(f"{file}: no item was judged in both orders")
    return results


def _of_versions(place: str, uris: Sequence[str]) -> list[Iterable[ItemResult]]:
    """Reads versions' results, preferably those on the same pairs with the same protocol."""
    from judgeloop.registry.addresses import resolve_model
    from judgeloop.registry.evaluations import results_of
    from judgeloop.schema.results import Scores
    from judgeloop.store import open_store
    from judgeloop.store.shards import read_records

    store = open_store(place)
    found = [results_of(resolve_model(uri), store) for uri in uris]
    for uri, results in zip(uris, found, strict=True):
        if not results:
            raise DataError(
                f"{store.uri} holds no evaluation of {uri}; give the store of its loop, or run "
                f"`judgeloop evaluate` with model.start={uri} there"
            )

    def protocol(made: Manifest) -> tuple[str, str]:
        scores = made.expect(Scores)
        return scores.pairs, scores.protocol

    alike = (made for made in product(*found) if len(set(map(protocol, made))) == 1)
    chosen = next(alike, tuple(results[0] for results in found))
    return [read_records(store, made, ItemResult) for made in chosen]


def _row(name: str, one: Difference) -> tuple[str, ...]:
    low, high = one.interval
    return (
        name, str(one.items), f"{one.a:.3f}", f"{one.b:.3f}", f"{one.difference:+.3f}",
        f"{low:+.3f} to {high:+.3f}", str(one.won), str(one.lost), f"{one.probability:.3g}",
    )  # fmt: skip


def _shares(found: Comparison, name: str) -> list[str]:
    values = getattr(found, name)
    return [_share(*each) for each in zip(values, found.intervals[name], strict=True)]


def _share(value: float | None, interval: Interval | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f} [{interval.low:.3f}, {interval.high:.3f}]" if interval else f"{value:.3f}"
