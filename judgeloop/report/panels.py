"""A chart of small panels side by side: one for each benchmark or group, curves over iterations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from judgeloop.report.drawing import HUES, MARKERS, MUTED, Chart, svg
from judgeloop.report.history import Estimate
from judgeloop.schema.records import Record

COLUMNS = 4
PANEL = (2.6, 2.0)
"""Width and height of a panel in inches, at 72 points each."""
MARGINS = (0.62, 0.75)
"""Space in the figure for the labels at its left, and for the legend and the labels below, in
inches."""
SHIFT = 0.06
"""Distance between the intervals of two curves, as a fraction of an iteration."""


class Curve(Record, frozen=True, kw_only=True):
    """A figure over iterations."""

    name: str
    points: tuple[tuple[int, Estimate], ...]
    """Iteration, and the share with its 95 % interval."""
    chance: float | None = None
    """The figure of a coin; a dashed line in the curve's color."""


class Panel(Record, frozen=True, kw_only=True):
    """Curves of one benchmark or group."""

    title: str
    curves: tuple[Curve, ...]


def panel_chart(name: str, title: str, note: str, panels: Sequence[Panel]) -> Chart | None:
    """Draws the panels, at most `COLUMNS` in a row, all on one scale; None without a point.

    A curve has the same color and marker in every panel.
    """
    names = list(dict.fromkeys(curve.name for panel in panels for curve in panel.curves))
    numbers = sorted({at for panel in panels for curve in panel.curves for at, _ in curve.points})
    if not numbers:
        return None
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    size = (columns * PANEL[0] + MARGINS[0], rows * PANEL[1] + MARGINS[1])

    def draw(figure: Any) -> None:
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes in grid.flat[len(panels) :]:
            axes.set_visible(False)
        for place, (axes, panel) in enumerate(zip(grid.flat, panels, strict=False)):
            _panel(axes, panel, names)
            axes.set_ylim(-0.02, 1.02)
            axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
            axes.set_xlim(numbers[0] - 0.4, numbers[-1] + 0.4)
            axes.set_xticks(numbers)
            # a panel without another one below it shows tick labels
            axes.tick_params(length=0, labelbottom=place + columns >= len(panels))
            axes.grid(axis="y")
        handles = {}
        for axes in grid.flat:
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
                handles[label] = handle
        figure.legend(
            [handles[one] for one in names], names, loc="lower left", ncols=len(names),
            handlelength=1.6, columnspacing=1.2,
        )  # fmt: skip
        figure.supxlabel("iteration", x=0.99, y=0.03, ha="right", fontsize=10.5, color=MUTED)
        figure.subplots_adjust(
            left=MARGINS[0] / size[0], right=0.99, top=1 - 0.32 / size[1],
            bottom=MARGINS[1] / size[1], hspace=0.3, wspace=0.12,
        )  # fmt: skip

    return Chart(
        name=name, title=title, label=_words(panels), note=note, svg=svg(name, size, draw),
        width=size[0],
    )  # fmt: skip


def _panel(axes: Any, panel: Panel, names: Sequence[str]) -> None:
    axes.set_title(panel.title, fontsize=10.5, loc="left")
    for curve in panel.curves:
        number = names.index(curve.name)
        color, marker = HUES[number % len(HUES)], MARKERS[number % len(MARKERS)]
        x = [at + SHIFT * (number - (len(names) - 1) / 2) for at, _ in curve.points]
        y = [one.value for _, one in curve.points]
        axes.plot(x, y, color=color, marker=marker, markersize=4.5, label=curve.name)
        for at, (_, one) in zip(x, curve.points, strict=True):
            if one.low is not None and one.high is not None:
                axes.vlines(at, one.low, one.high, color=color, linewidth=1.4)
        if curve.chance is not None:
            axes.axhline(curve.chance, color=color, linewidth=0.9, linestyle=(0, (4, 3)))


def _words(panels: Sequence[Panel]) -> str:
    return "; ".join(
        f"{panel.title}, {curve.name}: {', '.join(f'{one.value:.2f}' for _, one in curve.points)}"
        for panel in panels
        for curve in panel.curves
    )
