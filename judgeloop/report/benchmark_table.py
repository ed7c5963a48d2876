"""One table of several benchmarks in the form that papers print, as Markdown and as LaTeX.

A row is a judge, a column an official figure in percent; the best of a column is bold. The caption
names each benchmark's protocol, prompt, samples and data, without which no figure is comparable.
"""

from __future__ import annotations

from collections.abc import Sequence

from judgeloop.report.benchmark_columns import ALL, COLUMNS, Column
from judgeloop.report.markdown import markdown_cell
from judgeloop.report.summary import NONE
from judgeloop.schema.records import Record
from judgeloop.schema.results import Scores

_LATEX = {char: f"\\{char}" for char in "&%$#_{}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip


class Cell(Record, frozen=True, kw_only=True):
    """A figure in percent."""

    value: float | None
    interval: tuple[float, float] | None = None
    """95 % interval, for figures over all of a benchmark's items."""
    best: bool = False

    @property
    def text(self) -> str:
        """Returns `69.5`, or `69.5 [66.6, 72.2]`, or a dash."""
        if self.value is None:
            return NONE
        if self.interval is None:
            return f"{self.value:.1f}"
        return f"{self.value:.1f} [{self.interval[0]:.1f}, {self.interval[1]:.1f}]"


class BenchmarkTable(Record, frozen=True, kw_only=True):
    """The table: every row has the columns of all benchmarks in turn."""

    caption: str
    groups: tuple[tuple[str, tuple[str, ...]], ...]
    """Benchmarks, each with the titles of its columns."""
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    """Judges with their cells."""

    @property
    def titles(self) -> list[str]:
        """The columns' titles, with the benchmark's name."""
        return [f"{name} {title}" for name, titles in self.groups for title in titles]


def benchmark_table(judges: Sequence[tuple[str, Scores]]) -> BenchmarkTable | None:
    """Returns the table of the named benchmarks of the judges' scores; None without any.

    Args:
        judges: Names and scores.
    """
    names = sorted({name for _, scores in judges for name in scores.further if name in COLUMNS})
    if not names:
        return None
    columns = [(name, column) for name in names for column in COLUMNS[name]]
    rows = [
        (judge, [_cell(scores.further.get(name, {}), column) for name, column in columns])
        for judge, scores in judges
        if any(name in scores.further for name in names)
    ]
    for at in range(len(columns)):
        values = [cells[at].value for _, cells in rows if cells[at].value is not None]
        for _, cells in rows if len(values) > 1 else ():
            cells[at] = Cell(
                value=cells[at].value,
                interval=cells[at].interval,
                best=cells[at].value == max(value for value in values if value is not None),
            )
    said: dict[str, dict[str, None]] = {name: {} for name in names}
    for _, scores in judges:
        for name in names:
            if protocol := scores.protocols.get(name):
                said[name][protocol] = None
    return BenchmarkTable(
        caption="Official accuracies in %, as each benchmark counts them; beside them the share of "
        "items right in both orders, undecided counted as wrong. Brackets: 95 % intervals, "
        "clustered by image. "
        + " ".join(f"{name}: {'; '.join(said[name]) or 'protocol unknown'}." for name in names),
        groups=tuple((name, tuple(column.title for column in COLUMNS[name])) for name in names),
        rows=tuple((judge, tuple(cells)) for judge, cells in rows),
    )


def as_markdown(table: BenchmarkTable) -> str:
    """Returns the table in Markdown, the caption below it."""
    lines = ["| judge | " + " | ".join(map(markdown_cell, table.titles)) + " |"]
    lines.append("| --- |" + " ---: |" * len(table.titles))
    for judge, cells in table.rows:
        shown = [f"**{cell.text}**" if cell.best else cell.text for cell in cells]
        lines.append(f"| {markdown_cell(judge)} | " + " | ".join(shown) + " |")
    return "\n".join([*lines, "", table.caption, ""])


def table_files(table: BenchmarkTable | None) -> dict[str, str]:
    """Returns the table's files by name; none without a table."""
    if table is None:
        return {}
    return {"benchmarks.md": as_markdown(table), "benchmarks.tex": as_latex(table)}


def as_latex(table: BenchmarkTable) -> str:
    """Returns the table as LaTeX with the packages `booktabs` and `graphicx`."""
    width = len(table.titles)
    spans, rules, at = [], [], 2
    for name, titles in table.groups:
        spans.append(rf"\multicolumn{{{len(titles)}}}{{c}}{{{_latex(name)}}}")
        rules.append(rf"\cmidrule(lr){{{at}-{at + len(titles) - 1}}}")
        at += len(titles)
    header = [_latex(title) for _, titles in table.groups for title in titles]
    body = []
    for judge, cells in table.rows:
        shown = [_latex(cell.text.replace(NONE, "--")) for cell in cells]
        bold = [rf"\textbf{{{text}}}" if cell.best else text
                for text, cell in zip(shown, cells, strict=True)]  # fmt: skip
        body.append(" & ".join([_latex(judge), *bold]) + r" \\")
    lines = [
        r"\begin{table*}[t]", r"\centering", r"\resizebox{\textwidth}{!}{%",
        rf"\begin{{tabular}}{{l{'r' * width}}}", r"\toprule",
        "& " + " & ".join(spans) + r" \\", " ".join(rules),
        "judge & " + " & ".join(header) + r" \\", r"\midrule", *body, r"\bottomrule",
        r"\end{tabular}}", rf"\caption{{{_latex(table.caption)}}}", r"\end{table*}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _cell(figures: dict[str, float], column: Column) -> Cell:
    value = figures.get(column.figure)
    if value is None:
        return Cell(value=None)
    low, high = (figures.get(end) for end in column.ends)
    if column.group not in (ALL, "") or low is None or high is None:
        return Cell(value=column.scale * value)
    return Cell(value=column.scale * value, interval=(100 * low, 100 * high))


def _latex(text: str) -> str:
    return "".join(_LATEX.get(char, char) for char in text)
