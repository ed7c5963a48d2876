"""The report of an evaluation outside a loop: a page, a table, and a file for machines."""

from __future__ import annotations

from collections.abc import Mapping

from judgeloop.report.benchmark_table import BenchmarkTable, benchmark_table, table_files
from judgeloop.report.environment import page_environment
from judgeloop.report.summary import NONE, share
from judgeloop.schema.records import to_json
from judgeloop.schema.results import Scores
from judgeloop.schema.scorecard import Scorecard

_HEADER = ("judge", "n", "undecided", "accuracy [95 %]", "both orders [95 %]", "first")


def evaluation_files(evaluation_id: str, judges: Mapping[str, Scores]) -> dict[str, str]:
    """Returns the files of an evaluation's report by name.

    Args:
        evaluation_id: Name of the evaluation.
        judges: Scores on the gold pairs and on the further sets, by name: the judge's first, then
            those of its base under other prompts.
    """
    judge, scores = next(iter(judges.items()))
    others = {name: other.metrics() for name, other in judges.items() if name != judge}
    found = {"judge": judge, "metrics": scores.metrics(), "pairs": scores.pairs, "bases": others}
    benchmarks = benchmark_table(list(judges.items()))
    files = {
        "report.html": page(evaluation_id, judges, benchmarks),
        "table.txt": table(judges),
        "summary.json": to_json(found).decode() + "\n",
    }
    return files | table_files(benchmarks)


def page(
    evaluation_id: str, judges: Mapping[str, Scores], benchmarks: BenchmarkTable | None
) -> str:
    """Returns the HTML page; it loads no external resource and runs no script."""
    judge, scores = next(iter(judges.items()))
    further = {
        name: {row: one.further[name] for row, one in judges.items() if name in one.further}
        for name in sorted(scores.further)
    }
    return (
        page_environment(escape=True)
        .get_template("evaluation.html.jinja")
        .render(
            evaluation_id=evaluation_id,
            judge=judge,
            judges=judges,
            scores=scores,
            benchmarks=benchmarks,
            further=further,
            dash=NONE,
        )
    )


def table(judges: Mapping[str, Scores]) -> str:
    """Returns a plain text table: the judges and the blind baselines on gold, then further sets."""
    scores = next(iter(judges.values()))
    rows = [_HEADER, *(_row(name, one.card) for name, one in judges.items())]
    rows += [_row(name.replace("_", " "), card) for name, card in scores.baselines.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    lines.append("Gold pairs, each judged in both orders; undecided counts as wrong.")
    for name, one in judges.items():
        for named, figures in sorted(one.further.items()):
            lines += ["", named if one is scores else f"{named}, {name}"]
            lines += [f"  {figure}  {value:g}" for figure, value in sorted(figures.items())]
    return "\n".join(lines) + "\n"


def _row(name: str, card: Scorecard) -> tuple[str, ...]:
    return (
        name,
        str(card.n),
        str(card.undecided_verdicts),
        _estimate(card.accuracy, card.accuracy_interval),
        _estimate(card.both_orders, card.both_orders_interval),
        share(card.first_position),
    )


def _estimate(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.3f} [{interval[0]:.3f}, {interval[1]:.3f}]"
