"""Further sets over a loop's iterations: a curve with intervals for each set, and for each group.

Named benchmarks have two curves, the official accuracy and the share of items that are right in
both orders; a JSONL set of pairs has only the second one.
"""

from __future__ import annotations

from collections.abc import Mapping

from judgeloop.report.benchmark_columns import ALL, COLUMNS, MACRO, STRICT
from judgeloop.report.drawing import Chart
from judgeloop.report.history import Estimate, LoopHistory
from judgeloop.report.panels import Curve, Panel, panel_chart
from judgeloop.schema.records import Record
from judgeloop.schema.results import Scores

COIN_ONCE, COIN_TWICE = 0.5, 0.25
"""Accuracy of an unbiased coin by single verdict, and in both orders."""
BOTH, OFFICIAL = "both orders", "official"
PAIRS = "both_orders"
"""Path of the figure of a set of pairs; a group's is `both_orders/<group>`."""
STRICT_PATHS = {ALL: "strict/both_orders", MACRO: "strict/both_orders_macro"}
"""Paths of the strict figures that belong to no group."""
_NOTE = (
    "Official accuracy, and the share of items right in both orders (undecided is wrong), with "
    "95 % intervals clustered by image. Dashed: an unbiased coin."
)
_PAIRS_NOTE = (
    "Share of pairs right in both orders, with 95 % intervals clustered by image. Dashed: what an "
    "unbiased coin has."
)
Figures = Mapping[str, float]


class BenchmarkCurves(Record, frozen=True, kw_only=True):
    """The curves of one further set."""

    name: str
    panels: tuple[Panel, ...]
    """All items first, then each group."""

    @property
    def chart_name(self) -> str:
        """Name of the chart of the set's groups."""
        return f"benchmark-{self.name}"

    @property
    def rows(self) -> list[tuple[str, str, dict[int, Estimate]]]:
        """Returns group, name of the figure, and the figure by iteration."""
        return [
            (panel.title, curve.name, dict(curve.points))
            for panel in self.panels
            for curve in panel.curves
        ]


def benchmark_curves(history: LoopHistory) -> list[BenchmarkCurves]:
    """Returns the curves of every further set of `evaluation.benchmarks`, by name."""
    judged = {
        item.number: item.gold.manifest.expect(Scores).further
        for item in history.evaluated
        if item.gold
    }
    found = []
    for name in sorted({name for further in judged.values() for name in further}):
        figures = {at: further[name] for at, further in judged.items() if name in further}
        if panels := set_panels(name, figures):
            found.append(BenchmarkCurves(name=name, panels=tuple(panels)))
    return found


def benchmark_charts(history: LoopHistory) -> list[Chart]:
    """Draws all items of every set in one chart, if there are several, then each set by group."""
    curves = benchmark_curves(history)
    charts = [
        panel_chart(one.chart_name, f"{one.name}, by group", _note(one.name), one.panels)
        for one in curves
    ]
    if len(curves) > 1:
        panels = [Panel(title=one.name, curves=one.panels[0].curves) for one in curves]
        charts.insert(0, panel_chart("benchmarks", "All items of each set", _NOTE, panels))
    return [chart for chart in charts if chart]


def _note(name: str) -> str:
    return _NOTE if name in COLUMNS else _PAIRS_NOTE


def set_panels(name: str, figures: Mapping[int, Figures]) -> list[Panel]:
    """Returns the panels of a set, that of all items first.

    Args:
        name: Name of the set.
        figures: Flat figures by iteration, as `Scores.further` holds them.
    """
    panels = _named(name, figures) if name in COLUMNS else _pairs(figures)
    return [panel for panel in panels if panel.curves]


def _named(name: str, figures: Mapping[int, Figures]) -> list[Panel]:
    columns = [one for one in COLUMNS[name] if one.group and one is not STRICT]
    columns.sort(key=lambda one: one.group != ALL)
    panels = []
    for column in columns:
        official = _curve(OFFICIAL, figures, column.figure, column.ends, COIN_ONCE, column.scale)
        strictly = STRICT_PATHS.get(column.group, f"strict/groups/{column.group}/both_orders")
        ends = f"{strictly}_interval/low", f"{strictly}_interval/high"
        both = _curve(BOTH, figures, strictly, ends, COIN_TWICE)
        title = column.title if column.group != ALL else f"{column.title} (all items)"
        panels.append(Panel(title=title, curves=(*official, *both)))
    return panels


def _pairs(figures: Mapping[int, Figures]) -> list[Panel]:
    named = {name for found in figures.values() for name in found if name.startswith(f"{PAIRS}/")}
    panels = []
    for path in (PAIRS, *sorted(named)):
        group = path.removeprefix(PAIRS)
        ends = f"{PAIRS}_low{group}", f"{PAIRS}_high{group}"
        title = group.removeprefix("/").replace("_", " ") or "all items"
        curves = _curve(BOTH, figures, path, ends, COIN_TWICE)
        panels.append(Panel(title=title, curves=curves))
    return panels


def _curve(
    name: str,
    figures: Mapping[int, Figures],
    figure: str,
    ends: tuple[str, str],
    chance: float,
    scale: float = 100,
) -> tuple[Curve, ...]:
    """Returns the curve of a figure as shares of 0..1, none where no iteration has it.

    Args:
        name: Name of the curve.
        figures: Flat figures by iteration.
        figure: Path of the figure.
        ends: Paths of the interval's low and high end, which are shares of 0..1.
        chance: The figure of a coin.
        scale: 100 if the figure is a share, 1 if it is in percent.
    """
    points = tuple(
        (
            at,
            Estimate(
                value=found[figure] * scale / 100, low=found.get(ends[0]), high=found.get(ends[1])
            ),
        )
        for at, found in sorted(figures.items())
        if figure in found
    )
    return (Curve(name=name, points=points, chance=chance),) if points else ()
