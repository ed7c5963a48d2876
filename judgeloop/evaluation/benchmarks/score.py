"""Scores saved outputs: every figure of a benchmark, without inference and without images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from judgeloop.evaluation.benchmarks.base import Benchmark, Fault, Item, Output, Read, Row
from judgeloop.evaluation.benchmarks.files import find_files, hashes, read_rows
from judgeloop.evaluation.benchmarks.intervals import outcome_intervals
from judgeloop.evaluation.benchmarks.own import FIELD, read_own
from judgeloop.evaluation.benchmarks.strict import strict
from judgeloop.evaluation.benchmarks.voting import voting
from judgeloop.schema.errors import DataError
from judgeloop.schema.scorecard import Interval

OFFICIAL, OWN = "official", "judgeloop"
"""Layouts of output files."""


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """The output of `judgeloop score --json`, a stable interface: fields are only added."""

    benchmark: str
    protocol: str
    official: dict[str, Any]
    """By the keys of the benchmark's own scores."""
    intervals: dict[str, Interval]
    """95 % intervals of the official accuracies by group, of all items' (`all`) and of the groups'
    mean (`macro`), as shares of 0..1, clustered by image; and of a benchmark's further figures."""
    strict: dict[str, Any] | None
    """Both orders, undecided is wrong; shares of 0..1."""
    strict_reason: str
    """Why `strict` is null; empty if it is not."""
    maps: dict[str, Any]
    """The figures under the other published group maps."""
    details: dict[str, Any]
    voting: dict[str, Any] | None
    """The gain from several samples per order; null if there is one."""
    data: dict[str, Any]
    """Files with their sha256, and the number of items."""
    outputs: dict[str, Any]
    """The file with its sha256, its layout, and the numbers of outputs, items and missing items."""
    missing: list[str]
    """Keys of the items without an output; no figure counts them."""
    suspects: list[str]
    """Keys of items whose label contradicts the row's own content. They still count."""
    fault_counts: dict[str, int]
    """Number of faulty rows and outputs, by reason."""
    faults: list[Fault]
    lines: list[str]
    """The lines that the official script prints."""


def score(benchmark: Benchmark, data: Path, outputs: Path) -> Score:
    """Reads data and outputs, and computes every figure.

    Args:
        benchmark: The benchmark whose protocol is applied.
        data: A file or a folder in one of the benchmark's formats.
        outputs: A JSONL file in the benchmark's official layout, or of our `Judgement` records.

    Raises:
        DataError: A file cannot be read, or no output belongs to an item.
    """
    loaded = benchmark.load(data)
    (file,) = find_files(outputs, ())
    broken: list[Fault] = []
    layout, read = _read(benchmark, file, loaded.items, broken)
    faults = [*loaded.faults, *broken, *read.faults]
    if not read.outputs:
        first = f" The first fault: {faults[0].where}: {faults[0].detail}." if faults else ""
        raise DataError(f"{file}: no line belongs to an item of {data}.{first}")
    official, absent = official_outputs(benchmark, loaded.items, read.outputs, layout)
    if not official:
        raise DataError(f"{file}: no item was judged in the order of the official protocol")
    figures = benchmark.aggregate(loaded.items, official)
    faults += [*absent, *figures.faults, *_one_sided(official)]
    strictly, reason = strict(benchmark, loaded.items, read.outputs)
    judged = {output.item for output in read.outputs}
    missing = [item.key for item in loaded.items if item.key not in judged]
    return Score(
        benchmark=benchmark.name,
        protocol=benchmark.protocol,
        official=figures.official,
        intervals=outcome_intervals(figures.outcomes) | figures.intervals,
        strict=strictly,
        strict_reason=reason,
        maps=figures.maps,
        details=figures.details,
        voting=voting(benchmark, read.outputs),
        data={"files": loaded.files, "items": len(loaded.items)},
        outputs={
            "files": hashes([file]),
            "layout": layout,
            "outputs": len(read.outputs),
            "items": len(judged),
            "missing_items": len(missing),
            "better_shown_first": sum(one.chosen_first for one in official) / len(official),
        },
        missing=missing,
        suspects=benchmark.suspects(loaded.items),
        fault_counts=dict(sorted(Counter(fault.reason for fault in faults).items())),
        faults=faults,
        lines=list(figures.lines),
    )


def read_outputs(benchmark: Benchmark, file: Path, items: Sequence[Item]) -> tuple[Output, ...]:
    """Returns the outputs of a file in either layout; bad lines are left out (see `score`)."""
    return _read(benchmark, file, items, [])[1].outputs


def _one_sided(outputs: Sequence[Output]) -> list[Fault]:
    """Records outputs with which a judge that always gives the same answer would be right."""
    if len({output.chosen_first for output in outputs}) > 1:
        return []
    first, number = outputs[0].chosen_first, 1 if outputs[0].chosen_first else 2
    detail = (
        f"the better response is always shown {'first' if first else 'second'}: a judge that "
        f"always prefers number {number} would be right throughout"
    )
    return [Fault(where="outputs", reason="one_order", detail=detail)]


def _read(
    benchmark: Benchmark, file: Path, items: Sequence[Item], broken: list[Fault]
) -> tuple[str, Read]:
    rows: Iterator[tuple[str, Row]] = read_rows(file, broken)
    first = next(rows, None)
    if first is None:
        return "empty", Read(outputs=(), faults=())
    lines = chain([first], rows)
    if FIELD in first[1]:
        return OWN, read_own(lines, items)
    return OFFICIAL, benchmark.official_outputs(lines, items)


def official_outputs(
    benchmark: Benchmark, items: Sequence[Item], outputs: Sequence[Output], layout: str
) -> tuple[list[Output], list[Fault]]:
    """Returns the outputs that the official protocol uses.

    Outputs in the official layout are used unchanged; judgeloop's have both orders of every sample,
    of which the protocol's order rule takes one.
    """
    if layout == OFFICIAL:
        return list(outputs), []
    by_key = {item.key: item for item in items}
    taken, present = [], set()
    for output in outputs:
        rule = benchmark.shows_chosen_first(by_key[output.item], output.sample)
        if output.chosen_first == rule:
            taken.append(output)
            present.add((output.item, output.sample))
    detail = "it was not judged in the order that the official protocol shows it in"
    absent = sorted({(output.item, output.sample) for output in outputs} - present)
    return taken, [
        Fault(where=f"{key} sample {sample}", reason="official_order_missing", detail=detail)
        for key, sample in absent
    ]
