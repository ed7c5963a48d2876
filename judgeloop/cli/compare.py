"""`judgeloop compare A B`: two judges on the same items, item by item."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from judgeloop.cli.options import Subcommands
from judgeloop.cli.score import NAMES
from judgeloop.cli.table import table
from judgeloop.schema.errors import ConfigError, DataError
from judgeloop.schema.records import ItemResult

if TYPE_CHECKING:
    from judgeloop.evaluation.comparison import Comparison, Difference


def add(commands: Subcommands) -> None:
    """Declares the command."""
    command = commands.add_parser("compare", help="two judges on the same items")
    command.add_argument("a", metavar="A", help="models:/name/version, or a file of outputs")
    command.add_argument("b", metavar="B", help="the same of the other judge")
    command.add_argument("--store", help="where both versions' results lie; not for files")
    command.add_argument("--benchmark", choices=NAMES, help="whose outputs the two files hold")
    command.add_argument("--data", type=Path, metavar="DIR", help="the benchmark's data")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> str:
    """Compares and describes.

    Raises:
        ConfigError: The options don't go together.
        JudgeLoopError: Results cannot be read or compared.
    """
    from judgeloop.evaluation.comparison import compare

    if options.benchmark:
        if options.data is None:
            raise ConfigError("--benchmark needs --data: give the benchmark's folder")
        a, b = (_of_file(options, Path(name)) for name in (options.a, options.b))
    elif options.store:
        a, b = (_of_version(options.store, name) for name in (options.a, options.b))
    else:
        raise ConfigError("give --store for two versions, or --benchmark and --data for two files")
    found = compare((options.a, options.b), a, b)
    return msgspec.json.encode(found).decode() if options.json else describe(found)


def describe(found: Comparison) -> str:
    """Returns the sentence, a table by group, and what else tells judges apart."""
    header = ("", "items", "A", "B", "A - B", "95 %", "won", "lost", "p")
    rows = [_row(name, one) for name, one in [("all", found.overall), *found.groups.items()]]
    more = [
        ("decided verdicts right", *map(_share, found.decided_only)),
        ("undecided verdicts", *map(_share, found.undecided)),
        ("first position", *map(_share, found.first_position)),
        ("same in both orders", *map(_share, found.consistency)),
    ]
    return "\n".join([found.sentence, "", *table(header, rows), "", *table(("", "A", "B"), more)])


def _of_file(options: argparse.Namespace, file: Path) -> Iterable[ItemResult]:
    from judgeloop.evaluation.benchmarks import BENCHMARKS
    from judgeloop.evaluation.benchmarks.score import read_outputs
    from judgeloop.evaluation.benchmarks.strict import strict_results

    benchmark = BENCHMARKS[options.benchmark]
    items = benchmark.load(options.data).items
    results = strict_results(benchmark, items, read_outputs(benchmark, file, items))
    if not results:
        raise DataError(f"{file}: no item was judged in both orders")
    return results


def _of_version(place: str, uri: str) -> Iterable[ItemResult]:
    from judgeloop.registry.addresses import resolve_model
    from judgeloop.store import open_store
    from judgeloop.store.shards import finished, read_records

    store = open_store(place)
    key = resolve_model(uri).judge.manifests.get("evaluate")
    made = finished(store, "evaluate", key) if key else None
    if made is None:
        raise DataError(f"{store.uri} holds no evaluation of {uri}; give the store of its loop")
    return read_records(store, made, ItemResult)


def _row(name: str, one: Difference) -> tuple[str, ...]:
    low, high = one.interval
    return (
        name, str(one.items), f"{one.a:.3f}", f"{one.b:.3f}", f"{one.difference:+.3f}",
        f"{low:+.3f} to {high:+.3f}", str(one.won), str(one.lost), f"{one.probability:.3g}",
    )  # fmt: skip


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
